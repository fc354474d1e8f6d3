//! The configurations that ship with the server: each is right, teaches only what exists, and serves
//! folders that are there. The schema beside them is the one that the table of keys makes.

use std::fs;
use std::path::{Path, PathBuf};

use config::{ErrorPage, Handler, Loaded, Problems, Settings, Source, load};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-examples")
}

fn load_example(name: &str) -> Result<Loaded, Problems> {
    let path = examples().join(name);
    let text = fs::read_to_string(&path).expect("the example can be read");
    load(Some(Source { name: path.to_string_lossy().into_owned(), text }), &[])
}

fn check_files(settings: &Settings, pointer: &str) {
    if settings.handler == Handler::Files && settings.proxy.is_none() {
        let root = settings.root.as_ref().expect("whoever serves files has a root");
        assert!(root.is_dir(), "{pointer}: {} is no folder", root.display());
    }
    for page in settings.error_pages.values() {
        let ErrorPage::File(page) = page else { continue };
        assert!(page.is_file(), "{pointer}: {} is no file", page.display());
    }
}

#[test]
fn examples_are_right() {
    for name in [
        "minimal.conf",
        "shaping.conf",
        "static-site.conf",
        "many-hosts.conf",
        "hardened.conf",
        "logins.conf",
        "logs.conf",
        "compression.conf",
        "proxy.conf",
        "pages.conf",
    ] {
        let config = load_example(name).unwrap_or_else(|problems| panic!("{problems}")).config;
        for host in &config.hosts {
            check_files(&host.settings, &host.pointer);
            host.locations.iter().for_each(|location| check_files(&location.settings, &location.pointer));
        }
        for listen in config.listeners() {
            assert!(
                listen.address.to_string().starts_with("127.0.0.1:"),
                "{name} listens on {}",
                listen.address
            );
        }
    }
}

#[test]
fn no_example_is_left_out() {
    let files = fs::read_dir(examples()).expect("the folder of examples");
    let configurations = files.filter(|file| {
        file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|extension| extension == "conf"))
    });
    assert_eq!(configurations.count(), 9);
}

#[test]
fn the_schema_is_current() {
    let path = examples().join("kimura.schema.json");
    let wanted = config::schema();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wanted).expect("the schema can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "the schema is old; UPDATE_GOLDEN=1 writes it anew");
}
