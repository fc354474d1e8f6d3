//! Inheritance: what `/defaults`, a host or a location says itself, and what then holds there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::logs::Chosen;
use super::{Catalog, auth, compression, fields, shaping};
use crate::cause::{Cause, Flaw};
use crate::kind::Ruled;
use crate::model::{
    Auth, CacheFor, ClientCertificate, Comet, Compression, Cors, Dotfiles, ErrorFormat, ErrorPage,
    ErrorStatus, FieldRule, ForwardedBefore, ForwardedFields, Handler, Listing, LogFormat, ProxyHost,
    Settings, Shaping, Symlinks, Upstream,
};
use crate::problem::Problems;
use crate::reader::Reader;
use crate::syntax::FieldName;
use crate::table::settings;

/// Entries of a map; `None` removes what is inherited.
pub(super) type Entries<K, V> = Vec<(K, Option<V>)>;

/// What one section says itself. `None`: it says nothing.
pub(super) struct Layer {
    root: Option<PathBuf>,
    index: Option<Vec<String>>,
    handler: Option<Handler>,
    comet: Option<Option<Comet>>,
    proxy: Option<Option<Arc<Upstream>>>,
    proxy_host: Option<ProxyHost>,
    proxy_forwarded: Option<ForwardedFields>,
    proxy_forwarded_before: Option<ForwardedBefore>,
    request_buffering: Option<u64>,
    proxy_upgrade: Option<Option<Vec<(String, String)>>>,
    access: Option<Vec<String>>,
    client_certificate: Option<ClientCertificate>,
    methods: Option<Vec<String>>,
    charset: Option<Option<String>>,
    types: Entries<String, String>,
    default_type: Option<String>,
    dotfiles: Option<Dotfiles>,
    symlinks: Option<Symlinks>,
    listing: Option<Option<Listing>>,
    etag: Option<bool>,
    headers: Entries<FieldName, Ruled>,
    security: Option<Vec<FieldRule>>,
    cache: Entries<CacheFor, Option<String>>,
    cors: Option<Option<Arc<Cors>>>,
    error_pages: Entries<ErrorStatus, ErrorPage>,
    error_format: Option<ErrorFormat>,
    intercept: Option<bool>,
    internal: Option<bool>,
    accel: Option<bool>,
    proxy_headers: Entries<FieldName, Ruled>,
    access_logs: Option<Vec<Chosen>>,
    access_log_format: Option<LogFormat>,
    request_id: Option<bool>,
    auth: Option<Option<Arc<Auth>>>,
    compression: Option<Option<Arc<Compression>>>,
    shaping: Option<Option<Arc<Shaping>>>,
    body_size: Option<u64>,
    /// Whether there is a root, right or wrong; or a proxy that is wrong, so that nothing else is to be missed.
    has_root: bool,
}

impl Layer {
    pub(super) fn read(reader: &Reader<'_>, catalog: &Catalog, problems: &mut Problems) -> Layer {
        let proxy = catalog.upstreams.chosen(reader, problems);
        let values = |items: Vec<(String, String)>| items.into_iter().map(|(_, value)| value).collect();
        Layer {
            root: reader.get(&settings::ROOT, problems),
            index: reader.get(&settings::INDEX, problems).map(values),
            handler: reader.get(&settings::HANDLER, problems),
            comet: reader.get(&settings::COMET, problems),
            proxy_host: reader.get(&settings::PROXY_HOST, problems),
            proxy_forwarded: reader.get(&settings::PROXY_FORWARDED, problems),
            proxy_forwarded_before: reader.get(&settings::PROXY_FORWARDED_BEFORE, problems),
            request_buffering: reader.get(&settings::REQUEST_BUFFERING, problems),
            proxy_upgrade: reader.get(&settings::PROXY_UPGRADE, problems),
            access: reader.get(&settings::ACCESS, problems).map(values),
            client_certificate: reader.get(&settings::CLIENT_CERTIFICATE, problems),
            methods: reader.get(&settings::METHODS, problems).map(values),
            charset: reader.get(&settings::CHARSET, problems),
            types: reader.get(&settings::TYPES, problems).unwrap_or_default(),
            default_type: reader.get(&settings::DEFAULT_TYPE, problems),
            dotfiles: reader.get(&settings::DOTFILES, problems),
            symlinks: reader.get(&settings::SYMLINKS, problems),
            listing: reader.get(&settings::LISTING, problems),
            etag: reader.get(&settings::ETAG, problems),
            headers: reader.get(&settings::HEADERS, problems).unwrap_or_default(),
            security: fields::security(reader, problems),
            cache: reader.get(&settings::CACHE, problems).unwrap_or_default(),
            cors: reader.has(&settings::CORS).then(|| fields::cors(reader, problems).map(Arc::new)),
            error_pages: reader.get(&settings::ERROR_PAGES, problems).unwrap_or_default(),
            error_format: reader.get(&settings::ERROR_FORMAT, problems),
            intercept: reader.get(&settings::INTERCEPT, problems),
            internal: reader.get(&settings::INTERNAL, problems),
            accel: reader.get(&settings::ACCEL, problems),
            proxy_headers: fields::of_requests(reader, problems),
            access_logs: catalog.logs.chosen(reader, &settings::ACCESS_LOG, problems),
            access_log_format: reader.get(&settings::ACCESS_LOG_FORMAT, problems),
            request_id: reader.get(&settings::REQUEST_ID, problems),
            auth: reader.has(&settings::AUTH).then(|| auth::read(reader, problems).map(Arc::new)),
            compression: reader
                .has(&settings::COMPRESSION)
                .then(|| compression::read(reader, problems).map(Arc::new)),
            shaping: reader
                .has(&settings::SHAPING)
                .then(|| shaping::of_place(reader, problems).map(Arc::new)),
            body_size: reader.get(&settings::BODY_SIZE, problems),
            has_root: reader.has(&settings::ROOT) || reader.has(&settings::PROXY) && proxy.is_none(),
            proxy,
        }
    }
}

/// Without a list, none.
fn protocols(items: Option<Vec<(String, String)>>) -> Vec<String> {
    items.unwrap_or_default().into_iter().map(|(_, protocol)| protocol).collect()
}

/// The settings that hold somewhere, with what has to be kept for those that inherit from there.
#[derive(Clone)]
pub(super) struct Inherited {
    settings: Settings,
    access_logs: Vec<Chosen>,
    access_log_format: LogFormat,
    has_root: bool,
}

impl Inherited {
    /// What holds when nobody says anything.
    pub(super) fn builtin() -> Inherited {
        let settings = Settings {
            root: None,
            index: settings::INDEX.default("").into_iter().map(|(_, name)| name).collect(),
            handler: settings::HANDLER.default(""),
            comet: settings::COMET.default(""),
            proxy: None,
            proxy_host: settings::PROXY_HOST.default(""),
            proxy_forwarded: settings::PROXY_FORWARDED.default(""),
            proxy_forwarded_before: settings::PROXY_FORWARDED_BEFORE.default(""),
            request_buffering: settings::REQUEST_BUFFERING.default(""),
            proxy_upgrade: protocols(settings::PROXY_UPGRADE.default("")),
            access: Vec::new(),
            client_certificate: None,
            methods: None,
            charset: settings::CHARSET.default(""),
            types: BTreeMap::new(),
            default_type: settings::DEFAULT_TYPE.default(""),
            dotfiles: settings::DOTFILES.default(""),
            symlinks: settings::SYMLINKS.default(""),
            listing: settings::LISTING.default(""),
            etag: settings::ETAG.default(""),
            headers: Vec::new(),
            security: Vec::new(),
            cache: BTreeMap::new(),
            cors: None,
            error_pages: BTreeMap::new(),
            error_format: settings::ERROR_FORMAT.default(""),
            intercept: settings::INTERCEPT.default(""),
            internal: settings::INTERNAL.default(""),
            accel: settings::ACCEL.default(""),
            proxy_headers: Vec::new(),
            access_logs: Vec::new(),
            request_id: settings::REQUEST_ID.default(""),
            auth: None,
            compression: None,
            shaping: None,
            body_size: settings::BODY_SIZE.default(""),
        };
        Inherited {
            settings,
            access_logs: Vec::new(),
            access_log_format: settings::ACCESS_LOG_FORMAT.default(""),
            has_root: false,
        }
    }

    /// What holds where `layer` is said inside of this.
    pub(super) fn with(&self, layer: Layer) -> Inherited {
        let mut new = self.clone();
        let settings = &mut new.settings;
        settings.root = layer.root.or(settings.root.take());
        set(&mut settings.index, layer.index);
        set(&mut settings.handler, layer.handler);
        set(&mut settings.comet, layer.comet);
        set(&mut settings.proxy, layer.proxy);
        set(&mut settings.proxy_host, layer.proxy_host);
        set(&mut settings.proxy_forwarded, layer.proxy_forwarded);
        set(&mut settings.proxy_forwarded_before, layer.proxy_forwarded_before);
        set(&mut settings.request_buffering, layer.request_buffering);
        set(&mut settings.proxy_upgrade, layer.proxy_upgrade.map(protocols));
        set(&mut settings.access, layer.access);
        settings.client_certificate = layer.client_certificate.or(settings.client_certificate);
        settings.methods = layer.methods.or(settings.methods.take());
        set(&mut settings.charset, layer.charset);
        merge(&mut settings.types, layer.types);
        set(&mut settings.default_type, layer.default_type);
        set(&mut settings.dotfiles, layer.dotfiles);
        set(&mut settings.symlinks, layer.symlinks);
        set(&mut settings.listing, layer.listing);
        set(&mut settings.etag, layer.etag);
        fields::merge(&mut settings.headers, layer.headers);
        set(&mut settings.security, layer.security);
        merge(&mut settings.cache, layer.cache);
        set(&mut settings.cors, layer.cors);
        merge(&mut settings.error_pages, layer.error_pages);
        set(&mut settings.error_format, layer.error_format);
        set(&mut settings.intercept, layer.intercept);
        set(&mut settings.internal, layer.internal);
        set(&mut settings.accel, layer.accel);
        fields::merge(&mut settings.proxy_headers, layer.proxy_headers);
        set(&mut settings.request_id, layer.request_id);
        set(&mut settings.auth, layer.auth);
        set(&mut settings.compression, layer.compression);
        set(&mut settings.shaping, layer.shaping);
        set(&mut settings.body_size, layer.body_size);
        set(&mut new.access_logs, layer.access_logs);
        set(&mut new.access_log_format, layer.access_log_format);
        settings.access_logs = new.access_logs.iter().map(|log| log.log(&new.access_log_format)).collect();
        new.has_root |= layer.has_root;
        new
    }

    /// Whether files are to be served and nobody says from where.
    pub(super) fn lacks_root(&self) -> bool {
        let Settings { comet, proxy, handler, .. } = &self.settings;
        comet.is_none() && proxy.is_none() && *handler == Handler::Files && !self.has_root
    }

    /// Whether what the section at `reader` says, and this is what then holds there, has one maker of responses only.
    pub(super) fn check_maker(&self, reader: &Reader<'_>, problems: &mut Problems) {
        if self.settings.proxy.is_none() {
            return;
        }
        let comet = self.settings.comet.is_some();
        let (name, other) = if reader.has(&settings::HANDLER) {
            (settings::HANDLER.name, settings::PROXY.name)
        } else if comet && reader.has(&settings::COMET) {
            (settings::COMET.name, settings::PROXY.name)
        } else if comet && reader.has(&settings::PROXY) {
            (settings::PROXY.name, settings::COMET.name)
        } else {
            return;
        };
        let what = format!("responses are made by \"{other}\" here, so that \"{name}\" would do nothing");
        let flaw = Flaw::new(what, format!("remove it, or write \"{other}\": \"off\" beside it"));
        problems.extend(reader.at_named(name, Cause::Conflict(flaw)));
    }

    /// What is inherited from `/defaults` holds for the host at `pointer` by itself.
    pub(super) fn shaped_at(mut self, pointer: &str) -> Inherited {
        if let Some(shaping) = &mut self.settings.shaping
            && !shaping.scope.starts_with(pointer)
        {
            Arc::make_mut(shaping).scope = pointer.to_owned();
        }
        self
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn into_settings(self) -> Settings {
        self.settings
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn merge<K: Ord, V>(map: &mut BTreeMap<K, V>, entries: Entries<K, V>) {
    for (key, value) in entries {
        match value {
            Some(value) => drop(map.insert(key, value)),
            None => drop(map.remove(&key)),
        }
    }
}
