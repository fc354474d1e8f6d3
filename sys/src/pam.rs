//! PAM: libpam, opened when somebody is to log in, so that a machine without it can build and run everything else.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

/// The library, by the name that all of its versions with this interface have.
const LIBRARY: &CStr = c"libpam.so.0";
/// Where services are files, as Linux-PAM looks for them.
const FOLDERS: &[&str] = &["/etc/pam.d", "/usr/etc/pam.d", "/usr/lib/pam.d"];

/// Most texts of one message of a module: PAM_MAX_NUM_MSG.
const TEXTS_MAX: c_int = 32;
/// Most messages of one login: a module that asks again and again gets no answer any more.
const MESSAGES_MAX: usize = 16;

const SUCCESS: c_int = 0;
const PERM_DENIED: c_int = 6;
const AUTH_ERR: c_int = 7;
const USER_UNKNOWN: c_int = 10;
const MAXTRIES: c_int = 11;
const NEW_AUTHTOK_REQD: c_int = 12;
const ACCT_EXPIRED: c_int = 13;
const CRED_EXPIRED: c_int = 16;
const CONV_ERR: c_int = 19;
const AUTHTOK_EXPIRED: c_int = 27;

/// What says that the password is wrong or that the account may not be used. All else is somebody's fault but the user's.
const DENIALS: &[c_int] = &[
    PERM_DENIED,
    AUTH_ERR,
    USER_UNKNOWN,
    MAXTRIES,
    NEW_AUTHTOK_REQD,
    ACCT_EXPIRED,
    CRED_EXPIRED,
    AUTHTOK_EXPIRED,
];

/// No text for a terminal.
const SILENT: c_int = 0x8000;
/// An empty password is none.
const DISALLOW_NULL_AUTHTOK: c_int = 1;

const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;

/// The item that says from which machine somebody logs in.
const RHOST: c_int = 4;

/// What PAM makes of a name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The password is right, and the account may be used.
    Granted,
    /// It is not, or may not.
    Denied,
}

/// Why PAM gives no judgement.
#[derive(Debug)]
pub enum PamError {
    /// The library is not there, or is not what it should be; what the dynamic linker says.
    Library(String),
    /// PAM or a module of the service failed; what PAM says.
    Failed(String),
}

impl fmt::Display for PamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(why) => {
                write!(f, "libpam cannot be used ({why}): install it (Debian: apt-get install libpam0g)")
            }
            Self::Failed(why) => write!(f, "PAM gives no verdict: {why}"),
        }
    }
}

impl std::error::Error for PamError {}

/// Whether there is a service of that name. On a machine that keeps all services in one file nobody looks into that, and
/// each is taken to be there.
#[must_use]
pub fn has_service(name: &str) -> bool {
    let folders = folders();
    folders.iter().any(|folder| folder.join(name).is_file()) || !folders.iter().any(|folder| folder.is_dir())
}

/// Where the services are. libpam-wrapper, which puts itself before libpam, has them elsewhere.
fn folders() -> Vec<PathBuf> {
    match (std::env::var_os("PAM_WRAPPER"), std::env::var_os("PAM_WRAPPER_SERVICE_DIR")) {
        (Some(on), Some(folder)) if on == "1" => vec![folder.into()],
        _ => FOLDERS.iter().map(|folder| Path::new(folder).to_owned()).collect(),
    }
}

/// `struct pam_message`
#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

/// `struct pam_response`: both from malloc(3), since PAM frees them.
#[repr(C)]
struct Response {
    text: *mut c_char,
    /// Not used, and 0.
    code: c_int,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

/// `struct pam_conv`
#[repr(C)]
struct Conversation {
    converse: Converse,
    answers: *mut c_void,
}

type Handle = *mut c_void;
type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut Handle) -> c_int;
type Step = unsafe extern "C" fn(Handle, c_int) -> c_int;
type SetItem = unsafe extern "C" fn(Handle, c_int, *const c_void) -> c_int;
type Explain = unsafe extern "C" fn(Handle, c_int) -> *const c_char;

/// The library, opened. It stays open: modules may leave threads and memory behind.
#[derive(Clone, Copy, Debug)]
pub struct Pam {
    start: Start,
    authenticate: Step,
    check_account: Step,
    set_item: SetItem,
    explain: Explain,
    end: Step,
}

impl Pam {
    /// Opens the library.
    ///
    /// # Errors
    /// [`PamError::Library`].
    pub fn open() -> Result<Self, PamError> {
        // Global, for modules that rely on its symbols without naming it.
        let flags = libc::RTLD_NOW | libc::RTLD_GLOBAL;
        // SAFETY: a C string. The initialisation of libpam asks nothing of the program.
        if unsafe { libc::dlopen(LIBRARY.as_ptr(), flags) }.is_null() {
            return Err(PamError::Library(linker_error()));
        }
        // SAFETY: these are functions of libpam with the types that pam_start(3), pam_authenticate(3),
        // pam_acct_mgmt(3), pam_set_item(3), pam_strerror(3) and pam_end(3) give them; the library is never closed.
        unsafe {
            Ok(Self {
                start: std::mem::transmute::<*mut c_void, Start>(symbol(c"pam_start")?),
                authenticate: std::mem::transmute::<*mut c_void, Step>(symbol(c"pam_authenticate")?),
                check_account: std::mem::transmute::<*mut c_void, Step>(symbol(c"pam_acct_mgmt")?),
                set_item: std::mem::transmute::<*mut c_void, SetItem>(symbol(c"pam_set_item")?),
                explain: std::mem::transmute::<*mut c_void, Explain>(symbol(c"pam_strerror")?),
                end: std::mem::transmute::<*mut c_void, Step>(symbol(c"pam_end")?),
            })
        }
    }

    /// Has a service judge a name and a password, and whether the account may be used. `client` is the address from which
    /// somebody logs in; empty when there is none. Takes as long as the modules of the service want, which may be for ever.
    ///
    /// # Errors
    /// [`PamError::Failed`].
    pub fn login(
        &self,
        service: &str,
        user: &str,
        secret: &[u8],
        client: &str,
    ) -> Result<Judgement, PamError> {
        let Some(answers) = Answers::new(user, secret) else { return Ok(Judgement::Denied) };
        let name = |text: &str| {
            CString::new(text).map_err(|_| PamError::Failed("a name has a NUL character".to_owned()))
        };
        let (service, client) = (name(service)?, name(client)?);
        let mut answers = answers;
        let conversation = Conversation { converse, answers: (&raw mut answers).cast() };
        let mut handle = std::ptr::null_mut();
        // SAFETY: C strings and a conversation that outlive the handle, which ends below; `converse` takes `answers`,
        // which nobody else touches meanwhile.
        unsafe {
            let mut code = (self.start)(
                service.as_ptr(),
                answers.user.as_ptr(),
                &raw const conversation,
                &raw mut handle,
            );
            if code == SUCCESS && !client.is_empty() {
                code = (self.set_item)(handle, RHOST, client.as_ptr().cast());
            }
            if code == SUCCESS {
                code = (self.authenticate)(handle, SILENT | DISALLOW_NULL_AUTHTOK);
            }
            if code == SUCCESS {
                code = (self.check_account)(handle, SILENT | DISALLOW_NULL_AUTHTOK);
            }
            let judged = self.judgement(handle, code);
            if !handle.is_null() {
                (self.end)(handle, code);
            }
            judged
        }
    }

    /// What a code of PAM says about the user.
    ///
    /// # Safety
    /// `handle` is one of this library, or null.
    unsafe fn judgement(&self, handle: Handle, code: c_int) -> Result<Judgement, PamError> {
        if code == SUCCESS {
            return Ok(Judgement::Granted);
        }
        if DENIALS.contains(&code) {
            return Ok(Judgement::Denied);
        }
        // SAFETY: Linux-PAM does not look at the handle; the text is constant, or null.
        let text = unsafe { (self.explain)(handle, code) };
        if text.is_null() {
            return Err(PamError::Failed(format!("error {code}")));
        }
        // SAFETY: a C string, as pam_strerror(3) says.
        let text = unsafe { CStr::from_ptr(text) };
        Err(PamError::Failed(format!("{} (error {code})", text.to_string_lossy())))
    }
}

/// A symbol of whoever has it first: of the library that was opened, unless one was put before it on purpose.
fn symbol(name: &CStr) -> Result<*mut c_void, PamError> {
    // SAFETY: a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() { Err(PamError::Library(linker_error())) } else { Ok(found) }
}

fn linker_error() -> String {
    // SAFETY: the text stays until the next call of the linker by this thread; it is copied at once.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return "no reason given".to_owned();
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// What modules are told when they ask.
struct Answers {
    user: CString,
    /// With the zero byte that ends a C string.
    secret: Zeroizing<Vec<u8>>,
    messages: usize,
}

impl Answers {
    /// None for a name or password that no C string can be: nobody has it.
    fn new(user: &str, secret: &[u8]) -> Option<Self> {
        if user.is_empty() || secret.contains(&0) {
            return None;
        }
        let user = CString::new(user).ok()?;
        let mut ended = Zeroizing::new(Vec::with_capacity(secret.len() + 1));
        ended.extend_from_slice(secret);
        ended.push(0);
        Some(Self { user, secret: ended, messages: 0 })
    }

    /// The answer to a text; none for one that wants none.
    fn to(&self, style: c_int) -> Result<Option<&[u8]>, UnknownStyle> {
        match style {
            PROMPT_ECHO_OFF => Ok(Some(&self.secret)),
            PROMPT_ECHO_ON => Ok(Some(self.user.as_bytes_with_nul())),
            ERROR_MSG | TEXT_INFO => Ok(None),
            _ => Err(UnknownStyle),
        }
    }
}

/// A module wants what nobody here knows.
struct UnknownStyle;

/// What libpam calls when a module asks. Nothing in here panics; should it, the process ends, as with every function that
/// C calls.
///
/// # Safety
/// As pam_conv(3) says: `messages` are `count` pointers to messages, `responses` is a place for a pointer, and `answers` are
/// those of [`Pam::login`].
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    answers: *mut c_void,
) -> c_int {
    if !(1..=TEXTS_MAX).contains(&count) || messages.is_null() || responses.is_null() || answers.is_null() {
        return CONV_ERR;
    }
    // SAFETY: these are the answers of `Pam::login`, which looks at them only when PAM is done.
    let answers = unsafe { &mut *answers.cast::<Answers>() };
    answers.messages += 1;
    if MESSAGES_MAX < answers.messages {
        return CONV_ERR;
    }
    let count = count.unsigned_abs() as usize;
    // SAFETY: calloc takes integers; zeroes are responses without a text.
    let all = unsafe { libc::calloc(count, size_of::<Response>()) }.cast::<Response>();
    if all.is_null() {
        return CONV_ERR;
    }
    for place in 0..count {
        // SAFETY: `place` is within both lists, and Linux-PAM has a pointer to a message at each.
        let (message, response) = unsafe { ((*messages.add(place)).as_ref(), &mut *all.add(place)) };
        let answer = message.ok_or(UnknownStyle).and_then(|message| answers.to(message.style));
        let copied = match answer {
            Ok(None) => continue,
            Ok(Some(answer)) => duplicate(answer),
            Err(UnknownStyle) => std::ptr::null_mut(),
        };
        if copied.is_null() {
            // SAFETY: all of it is ours still.
            unsafe { give_up(all, count) };
            return CONV_ERR;
        }
        response.text = copied;
    }
    // SAFETY: PAM has given this place for them, and frees them.
    unsafe { *responses = all };
    SUCCESS
}

/// A copy from malloc(3); null when there is no memory.
fn duplicate(text: &[u8]) -> *mut c_char {
    // SAFETY: as many bytes as are copied, from elsewhere.
    unsafe {
        let copy = libc::malloc(text.len()).cast::<u8>();
        if !copy.is_null() {
            std::ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
        }
        copy.cast()
    }
}

/// Frees answers that nobody gets, and leaves no password behind.
///
/// # Safety
/// `all` are `count` responses from calloc(3), each without a text or with a C string from malloc(3).
unsafe fn give_up(all: *mut Response, count: usize) {
    for place in 0..count {
        // SAFETY: see above.
        unsafe {
            let text = (*all.add(place)).text;
            if !text.is_null() {
                std::slice::from_raw_parts_mut(text.cast::<u8>(), libc::strlen(text)).zeroize();
                libc::free(text.cast());
            }
        }
    }
    // SAFETY: see above.
    unsafe { libc::free(all.cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a module is answered that has these styles of texts in one message.
    fn ask(answers: &mut Answers, styles: &[c_int]) -> Result<Vec<Option<String>>, c_int> {
        let messages: Vec<Message> =
            styles.iter().map(|&style| Message { style, text: c"?".as_ptr() }).collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(std::ptr::from_ref).collect();
        let mut all: *mut Response = std::ptr::null_mut();
        let answers = std::ptr::from_mut(answers).cast();
        // SAFETY: as libpam calls it; what it gives is read once and freed.
        unsafe {
            let code = converse(styles.len() as c_int, pointers.as_mut_ptr(), &raw mut all, answers);
            if code != SUCCESS {
                assert!(all.is_null());
                return Err(code);
            }
            let read = |place| {
                let text = (*all.add(place)).text;
                (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            };
            let texts = (0..styles.len()).map(read).collect();
            give_up(all, styles.len());
            Ok(texts)
        }
    }

    #[test]
    fn what_modules_are_answered() {
        let (user, secret) = (Some("anna".to_owned()), Some("pass word".to_owned()));
        for (styles, wanted) in [
            (&[PROMPT_ECHO_OFF][..], Ok(vec![secret.clone()])),
            (&[PROMPT_ECHO_ON, PROMPT_ECHO_OFF], Ok(vec![user, secret.clone()])),
            (&[TEXT_INFO, ERROR_MSG, PROMPT_ECHO_OFF], Ok(vec![None, None, secret])),
            (&[PROMPT_ECHO_OFF, 7], Err(CONV_ERR)),
            (&[], Err(CONV_ERR)),
            (&[TEXT_INFO; TEXTS_MAX as usize + 1], Err(CONV_ERR)),
        ] {
            let mut answers = Answers::new("anna", b"pass word").unwrap();
            assert_eq!(ask(&mut answers, styles), wanted, "{styles:?}");
        }
    }

    #[test]
    fn a_module_that_asks_without_end_gets_no_answer() {
        let mut answers = Answers::new("anna", b"x").unwrap();
        for _ in 0..MESSAGES_MAX {
            assert!(ask(&mut answers, &[PROMPT_ECHO_OFF]).is_ok());
        }
        assert_eq!(ask(&mut answers, &[PROMPT_ECHO_OFF]), Err(CONV_ERR));
    }

    #[test]
    fn names_and_passwords_that_nobody_has() {
        for (user, secret, wanted) in [
            ("anna", &b"x"[..], true),
            ("anna", b"", true),
            ("", b"x", false),
            ("an\0na", b"x", false),
            ("anna", b"x\0y", false),
        ] {
            assert_eq!(Answers::new(user, secret).is_some(), wanted, "{user:?} {secret:?}");
        }
    }
}
