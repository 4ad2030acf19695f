//! Every datagram captured from the Aeron C driver decodes to the fields that an independent decoder saw, and comes
//! out of our encoders byte for byte.

#![expect(clippy::unwrap_used, reason = "a capture that cannot be read is a failed test")]

use epona_protocol::{
    frame::{self, DataHeader, DataView, Frame, ResolutionView, ResolutionWriter, data},
    types::{TermLength, align_frame},
};
use serde_json::{Value, json};

macro_rules! capture {
    ($name:literal) => {
        Capture {
            name: $name,
            pcap: include_bytes!(concat!("golden/", $name, ".pcap")),
            expected: include_str!(concat!("golden/", $name, ".jsonl")),
        }
    };
}

struct Capture {
    name: &'static str,
    pcap: &'static [u8],
    expected: &'static str,
}

const CAPTURES: [Capture; 7] = [
    capture!("unicast"),
    capture!("loss"),
    capture!("response"),
    capture!("reject-tagged"),
    capture!("resolver"),
    capture!("rttm"),
    capture!("mdc-dynamic"),
];

/// UDP payloads of a little-endian classic pcap of Ethernet, IPv4 and UDP without options.
fn datagrams(pcap: &[u8]) -> Vec<&[u8]> {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    const UDP_LENGTH: usize = 14 + 20 + 4;
    const UDP_PAYLOAD: usize = 14 + 20 + 8;
    assert_eq!(pcap[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    let mut found = Vec::new();
    let mut rest = &pcap[FILE_HEADER..];
    while !rest.is_empty() {
        let captured = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let packet = &rest[RECORD_HEADER..RECORD_HEADER + captured];
        assert_eq!(packet[14], 0x45, "IPv4 without options");
        let udp_length = u16::from_be_bytes(packet[UDP_LENGTH..UDP_LENGTH + 2].try_into().unwrap());
        found.push(&packet[UDP_PAYLOAD..UDP_PAYLOAD + usize::from(udp_length) - 8]);
        rest = &rest[RECORD_HEADER + captured..];
    }
    found
}

fn flags(bits: u8) -> String {
    format!("{bits:#04x}")
}

/// What the capture's decoder would write about a datagram.
fn describe(datagram: &[u8]) -> Vec<Value> {
    let frame = match frame::decode(datagram).unwrap() {
        Frame::Data(_) => return describe_packet(datagram),
        Frame::Setup(setup) => json!({
            "type": "SETUP", "flags": flags(setup.flags().get()), "term_offset": setup.term_offset().get(),
            "session_id": setup.session_id().get(), "stream_id": setup.stream_id().get(),
            "initial_term_id": setup.initial_term_id().get(), "active_term_id": setup.active_term_id().get(),
            "term_length": setup.term_length(), "mtu": setup.mtu(), "ttl": setup.ttl(),
        }),
        Frame::StatusMessage(sm) => {
            let mut value = json!({
                "type": "SM", "flags": flags(sm.flags().get()), "session_id": sm.session_id().get(),
                "stream_id": sm.stream_id().get(), "consumption_term_id": sm.consumption_term_id().get(),
                "consumption_term_offset": sm.consumption_term_offset().get(),
                "receiver_window": sm.receiver_window(), "receiver_id": sm.receiver_id().get(),
            });
            if let Some(tag) = sm.group_tag() {
                value["group_tag"] = json!(tag.get());
            }
            value
        }
        Frame::Nak(nak) => json!({
            "type": "NAK", "flags": flags(0), "session_id": nak.session_id().get(),
            "stream_id": nak.stream_id().get(), "term_id": nak.term_id().get(),
            "term_offset": nak.term_offset().get(), "length": nak.length(),
        }),
        Frame::Error(error) => {
            let text = error.text().unwrap();
            json!({
                "type": "ERR", "flags": flags(error.flags().get()), "session_id": error.session_id().get(),
                "stream_id": error.stream_id().get(), "receiver_id": error.receiver_id().get(),
                "group_tag": error.group_tag().unwrap().get(), "error_code": error.error_code(),
                "error_length": text.len(), "text": str::from_utf8(text).unwrap(),
            })
        }
        Frame::Rttm(rttm) => json!({
            "type": "RTTM", "flags": flags(rttm.flags().get()), "session_id": rttm.session_id().get(),
            "stream_id": rttm.stream_id().get(), "echo_timestamp": rttm.echo_timestamp(),
            "reception_delta": rttm.reception_delta(), "receiver_id": rttm.receiver_id().get(),
        }),
        Frame::ResponseSetup(setup) => json!({
            "type": "RSP_SETUP", "flags": flags(0), "session_id": setup.session_id().get(),
            "stream_id": setup.stream_id().get(), "response_session_id": setup.response_session_id().get(),
        }),
        Frame::Resolution(resolution) => json!({
            "type": "RES", "flags": flags(0), "entries": describe_entries(&resolution),
        }),
        Frame::Ignored => panic!("no capture has such a frame"),
    };
    vec![with_header(frame, datagram.len())]
}

fn with_header(mut frame: Value, frame_length: usize) -> Value {
    frame["frame_length"] = json!(frame_length);
    frame["version"] = json!(0);
    frame
}

fn describe_packet(datagram: &[u8]) -> Vec<Value> {
    let mut frames = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let view = DataView::new(rest).unwrap();
        let mut frame = json!({
            "type": if view.is_padding() { "PAD" } else { "DATA" }, "flags": flags(view.flags().get()),
            "term_offset": view.term_offset().get(), "session_id": view.session_id().get(),
            "stream_id": view.stream_id().get(), "term_id": view.term_id().get(),
            "reserved_value": view.reserved_value(),
        });
        if view.is_heartbeat() {
            frame["kind"] = json!("HEARTBEAT");
        }
        frames.push(with_header(frame, view.frame_length() as usize));
        rest = &rest[(align_frame(view.frame_length()) as usize).clamp(data::LENGTH, rest.len())..];
    }
    frames
}

fn describe_entries(resolution: &ResolutionView<'_>) -> Vec<Value> {
    let entry = |entry: frame::ResolutionEntry<'_>| {
        json!({
            "res_type": if entry.address.is_ipv4() { 1 } else { 2 }, "flags": flags(entry.flags.get()),
            "udp_port": entry.port, "age_in_ms": entry.age_in_ms, "address": entry.address.to_string(),
            "name_length": entry.name.len(), "name": str::from_utf8(entry.name).unwrap(),
            "entry_length": entry.length(),
        })
    };
    resolution.entries().map(|read| entry(read.unwrap())).collect()
}

/// What our encoders make of a decoded datagram; for DATA its first header.
fn emit(datagram: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; datagram.len()];
    let length = match frame::decode(datagram).unwrap() {
        Frame::Data(_) => DataHeader::parse(datagram).unwrap().emit(&mut buffer),
        Frame::Setup(setup) => setup.to_frame().emit(&mut buffer),
        Frame::StatusMessage(sm) => sm.to_frame().emit(&mut buffer),
        Frame::Nak(nak) => nak.to_frame().emit(&mut buffer),
        Frame::Error(error) => error.to_frame().unwrap().emit(&mut buffer),
        Frame::Rttm(rttm) => rttm.to_frame().emit(&mut buffer),
        Frame::ResponseSetup(setup) => setup.to_frame().emit(&mut buffer),
        Frame::Resolution(resolution) => {
            let mut writer = ResolutionWriter::new(&mut buffer);
            assert!(resolution.entries().all(|entry| writer.push(&entry.unwrap())));
            writer.length()
        }
        Frame::Ignored => 0,
    };
    buffer.truncate(length);
    buffer
}

/// Padding of resolution entries is whatever was in the C driver's buffer: not for us to reproduce.
fn without_entry_padding(frame: &mut Value) -> bool {
    let mut is_zero = true;
    if let Some(entries) = frame.get_mut("entries").and_then(Value::as_array_mut) {
        for entry in entries {
            let padding = entry.as_object_mut().unwrap().remove("pad_hex");
            is_zero &= padding.is_none_or(|hex| hex.as_str().unwrap().bytes().all(|digit| digit == b'0'));
        }
    }
    is_zero
}

#[test]
fn captured_datagrams_decode_to_the_recorded_fields_and_encode_back() {
    for capture in CAPTURES {
        let datagrams = datagrams(capture.pcap);
        assert_eq!(datagrams.len(), capture.expected.lines().count(), "{}", capture.name);
        for (datagram, line) in datagrams.into_iter().zip(capture.expected.lines()) {
            let mut record: Value = serde_json::from_str(line).unwrap();
            let frames = record["frames"].as_array_mut().unwrap();
            let has_zero_padding = frames.iter_mut().all(without_entry_padding);
            assert_eq!(&describe(datagram), frames, "{}: {line}", capture.name);
            if has_zero_padding {
                let emitted = emit(datagram);
                assert_eq!(emitted, datagram[..emitted.len()], "{}: {line}", capture.name);
            }
        }
    }
}

#[test]
fn captured_control_frames_are_valid_and_captured_data_fits_its_term() {
    let term_length = TermLength::MIN;
    let mut validated = 0;
    for datagram in CAPTURES.iter().flat_map(|capture| datagrams(capture.pcap)) {
        match frame::decode(datagram).unwrap() {
            Frame::Data(first) => {
                let packet = data::validate_packet(datagram, first.term_offset(), term_length).unwrap();
                let expected = if first.is_heartbeat() { 0 } else { datagram.len() };
                assert_eq!(packet.in_term as usize, expected);
            }
            Frame::Setup(setup) => {
                assert_eq!(setup.to_frame().validate().unwrap().term_length(), term_length);
            }
            Frame::StatusMessage(sm) => sm.to_frame().validate(term_length).unwrap(),
            Frame::Nak(nak) => nak.to_frame().validate(term_length).unwrap(),
            _ => continue,
        }
        validated += 1;
    }
    assert!(validated > 300, "{validated}");
}
