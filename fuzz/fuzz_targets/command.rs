//! Commands of clients and events of drivers: what is read can be written, and reads the same again. The first four
//! bytes of the input are the type id.
#![no_main]

use epona_fuzz::Input;
use epona_protocol::command::{Command, Event};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let type_id = input.i32();
    let mut record = Vec::new();
    match Command::parse(type_id, input.rest()) {
        Ok(command) => {
            command.encode(&mut record);
            assert_eq!(Command::parse(command.type_id(), &record).as_ref(), Ok(&command));
        }
        Err(error) => drop((error.error_code(), error.to_string())),
    }
    match Event::parse(type_id, input.rest()) {
        Ok(event) => {
            event.encode(&mut record);
            assert_eq!(Event::parse(event.type_id(), &record).as_ref(), Ok(&event));
        }
        Err(error) => drop((error.error_code(), error.to_string())),
    }
});
