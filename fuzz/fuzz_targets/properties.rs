//! Properties files: what they say is given to every setting and checked. Nothing is opened, resolved or started.
#![no_main]

use epona_media_driver::config::{Settings, Source, properties};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let properties = match properties::parse(text) {
        Ok(properties) => properties,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut settings = Settings::new();
    for (name, value) in &properties {
        assert!(name.len() + value.len() <= 3 * properties::MAX_LENGTH);
        settings.set(name, value, Source::File("fuzz".to_owned()));
        let _ = settings.define(&format!("{name}={value}"));
    }
    let (_, notices) = settings.configure();
    for notice in notices {
        assert!(!notice.to_string().is_empty());
    }
});
