//! How much of anything there may be. None of it is configured: each is far beyond what is used, and keeps a line in a
//! file or a field of a request from costing more than it should.

/// Longest password that can be right, in bytes. More is not hashed: some schemes take time that grows with the square
/// of it. crypt(3) of Debian has the same limit.
pub const PASSWORD_LEN_MAX: usize = 512;
/// Longest name of a user or a group, in bytes.
pub const NAME_LEN_MAX: usize = 255;
/// Longest hash, in bytes. The longest that a tool writes has 130.
pub(crate) const HASH_LEN_MAX: usize = 256;
/// Most memory that one comparison takes, in bytes.
pub(crate) const MEMORY_MAX: u64 = 256 << 20;
/// Longest file of users or groups, in bytes.
pub const FILE_LEN_MAX: usize = 32 << 20;
/// Most users of one file.
pub const USERS_MAX: usize = 100_000;
/// Most groups of one file.
pub const GROUPS_MAX: usize = 10_000;
/// Most memberships of one file of groups.
pub const MEMBERS_MAX: usize = 500_000;
/// Longest line of an htpasswd file, in bytes: a name, a colon and a hash.
pub(crate) const USER_LINE_LEN_MAX: usize = NAME_LEN_MAX + 1 + HASH_LEN_MAX;
/// Longest line of a file of groups, in bytes. A group that needs more goes on in a second line of its name.
pub(crate) const GROUP_LINE_LEN_MAX: usize = 64 << 10;
/// Most lines of a file that are complained about at once.
pub(crate) const COMPLAINTS_MAX: usize = 20;
/// Most logins that are remembered.
pub const REMEMBERED_MAX: usize = 4096;
/// Most access rules of one place.
pub const RULES_MAX: usize = 1_000;
/// Most prefixes, and users from prefixes, that are watched for failures.
pub const WATCHED_MAX: usize = 65_536;
/// Most bans, with those that are over and whose number is still remembered.
pub const BANS_MAX: usize = 100_000;
/// Most failures that a policy can allow: each is remembered with its time.
pub const FAILURES_MAX: u32 = 100;
/// Longest name of a user who is banned from a prefix, in bytes. Failures for longer names, which hardly anybody has,
/// count for the prefix alone: otherwise who invents names could make the file of bans too long to be read.
pub const BANNED_NAME_LEN_MAX: usize = 64;
/// Longest reason of a ban, in bytes.
pub const REASON_LEN_MAX: usize = 200;
/// Longest file of bans, in bytes: more than BANS_MAX of the longest lines.
pub const BANS_FILE_LEN_MAX: usize = 64 << 20;
/// Longest line of it: prefix, name with three letters for a byte, four numbers, and the reason.
pub(crate) const BAN_LINE_LEN_MAX: usize = 64 + 3 * BANNED_NAME_LEN_MAX + 4 * 21 + REASON_LEN_MAX;
