//! How it is drawn: four lines about the driver, a table of streams, a line about keys; fits 80 columns and 24 lines.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Style, Stylize},
    text::{Line, Text},
    widgets::{Block, Clear, Paragraph},
};

use super::{
    controls::{Controls, Mode},
    model::{Lag, Reader, Screen, Stream, short_bytes, short_time},
};
use crate::text;

const HEADING: &str = "STREAM                     RATE/s     LAG   TIME   NAKS    LOST HELD BY, ELSE CHANNEL";

/// Letters of the first column.
const NAME_WIDTH: usize = 24;

const HELP: &str = "\
STREAM  a publication (pub) or image on this host, its
        stream id, and below it who reads it (sub)
RATE    bytes a second
LAG     bytes that the slowest reader, or the sender,
        is behind the newest; of a sub, its own
TIME    how long ago the newest was where the slowest
        is now, as far back as this was watched
NAKS    requests to send again: heard (pub), sent (image)
LOST    bytes lost on the way here, by the loss report
HELD BY who keeps the publisher waiting, or what keeps
        readers waiting; 'still': has not moved for so long

q quit   p pause   s sort   / filter   arrows scroll
Any key leaves this.";

/// Draws everything; scrolling ends where rows do.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, controls: &mut Controls) {
    let parts = [Constraint::Length(4), Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)];
    let [head, heading, table, foot] = Layout::vertical(parts).areas(frame.area());
    frame.render_widget(Text::from(head_lines(screen, controls)), head);
    frame.render_widget(Line::from(HEADING).style(Style::new().reversed()), heading);

    let streams = screen.selected(controls.filter(), controls.order());
    let rows: Vec<Line<'_>> = streams.iter().flat_map(|stream| rows(stream)).collect();
    controls.scroll = controls.scroll.min(rows.len().saturating_sub(usize::from(table.height)));
    let empty = if controls.filter().is_empty() { "no streams" } else { "no stream has that" };
    let shown = if rows.is_empty() { Text::from(empty.dim()) } else { Text::from(rows) };
    let scroll = u16::try_from(controls.scroll).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(shown).scroll((scroll, 0)), table);

    frame.render_widget(foot_line(controls), foot);
    if controls.mode() == Mode::Help {
        draw_help(frame);
    }
}

fn head_lines<'a>(screen: &Screen, controls: &Controls) -> Vec<Line<'a>> {
    let paused = if controls.is_paused() { "  PAUSED" } else { "" };
    let title = format!(
        "epona top  {}{paused}  pid {}  {}",
        text::time_of_day(screen.taken),
        screen.pid,
        screen.directory
    );
    let totals = &screen.totals;
    let traffic = format!(
        "sent {}/s  received {}/s  retransmitted {}/s  lost {}",
        short_bytes(totals.sent),
        short_bytes(totals.received),
        short_bytes(totals.retransmitted),
        short_bytes(totals.lost as f64)
    );
    let troubles = format!(
        "NAKs sent {:.0}/s, heard {:.0}/s  invalid packets {}  errors {}",
        totals.naks_sent, totals.naks_received, totals.invalid_packets, totals.errors
    );
    let troubles = if totals.errors > 0 { Line::from(troubles).yellow() } else { Line::from(troubles) };
    let state = match &screen.absence {
        None => Line::from(cycles(screen)),
        Some(absence) => Line::from(format!("NOT RUNNING: {absence}")).red().bold(),
    };
    vec![Line::from(title).bold(), Line::from(traffic), troubles, state]
}

/// How long the roles took for their longest turn.
fn cycles(screen: &Screen) -> String {
    let mut line = String::from("longest cycle:");
    for cycle in &screen.duty_cycles {
        let max = short_time(Duration::from_nanos(u64::try_from(cycle.max_ns).unwrap_or(0)));
        let name = cycle.role.to_lowercase().replace("nameresolver", "names");
        line += &format!(" {name} {max}");
        if cycle.exceeded > 0 {
            line += &format!(" ({} over)", cycle.exceeded);
        }
    }
    line
}

fn rows(stream: &Stream) -> Vec<Line<'_>> {
    let name = format!("{} stream {}", stream.name, stream.stream_id);
    let lost = stream.lost.map_or_else(String::new, |lost| short_bytes(lost as f64));
    let numbers = numbers(&name, stream.rate, stream.lag, &stream.naks.to_string(), &lost);
    let row = match &stream.limiter {
        Some(limiter) => Line::from(format!("{numbers} {limiter}")).style(Style::new().fg(Color::Yellow)),
        None => Line::from(format!("{numbers} {}", stream.channel)),
    };
    std::iter::once(row).chain(stream.subscribers.iter().map(reader_row)).collect()
}

fn reader_row(reader: &Reader) -> Line<'_> {
    let numbers = numbers(&format!("  {}", reader.name), reader.rate, reader.lag, "", "");
    match reader.still {
        Some(still) => Line::from(format!("{numbers} still {}", short_time(still))).yellow(),
        None => Line::from(numbers).dim(),
    }
}

fn numbers(name: &str, rate: Option<f64>, lag: Lag, naks: &str, lost: &str) -> String {
    let name: String = name.chars().take(NAME_WIDTH).collect();
    let rate = rate.map(short_bytes).unwrap_or_default();
    // Without lag there is no time to tell.
    let time = lag.time.filter(|_| lag.bytes > 0).map(short_time).unwrap_or_default();
    let lag = short_bytes(lag.bytes as f64);
    format!("{name:<NAME_WIDTH$} {rate:>8} {lag:>7} {time:>6} {naks:>6} {lost:>7}")
}

fn foot_line<'a>(controls: &Controls) -> Line<'a> {
    if controls.mode() == Mode::Filter {
        return Line::from(format!("filter: {}_   Enter keeps it, Esc drops it", controls.filter())).bold();
    }
    let filter = match controls.filter() {
        "" => String::new(),
        filter => format!(": {filter}"),
    };
    Line::from(format!("q quit  p pause  s sort: {}  / filter{filter}  ? help", controls.order().name()))
        .dim()
}

fn draw_help(frame: &mut Frame<'_>) {
    let lines = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX);
    let width = HELP
        .lines()
        .map(|line| line.len())
        .max()
        .and_then(|width| u16::try_from(width).ok())
        .unwrap_or(u16::MAX);
    let area = frame
        .area()
        .centered(Constraint::Length(width.saturating_add(4)), Constraint::Length(lines.saturating_add(2)));
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" epona top ").padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Paragraph::new(HELP).block(block), area);
}

#[cfg(test)]
mod tests {
    use ratatui::{
        Terminal,
        backend::TestBackend,
        crossterm::event::{KeyCode, KeyEvent},
    };

    use super::*;
    use crate::{snapshot::DutyCycle, top::model::Totals};

    fn drawn(screen: &Screen, controls: &mut Controls, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, screen, controls)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect()
    }

    fn pressed(keys: &str) -> Controls {
        let mut controls = Controls::default();
        for key in keys.chars() {
            controls.on_key(KeyEvent::from(KeyCode::Char(key)));
        }
        controls
    }

    /// A publisher that a subscriber holds back, and an image with loss.
    fn screen() -> Screen {
        let lag = |bytes, millis| Lag { bytes, time: Some(Duration::from_millis(millis)) };
        let reader = Reader {
            name: "sub 12 'risk'".to_owned(),
            rate: Some(0.0),
            lag: lag(65_536, 4_200),
            still: Some(Duration::from_millis(4_000)),
        };
        let publication = Stream {
            name: "pub 7".to_owned(),
            stream_id: 1001,
            session_id: -5,
            channel: "aeron:ipc".to_owned(),
            client: Some("'source'".to_owned()),
            rate: Some(0.0),
            lag: reader.lag,
            limiter: Some(reader.name.clone()),
            subscribers: vec![reader],
            ..Stream::default()
        };
        let image = Stream {
            name: "image 9".to_owned(),
            stream_id: 1002,
            channel: "aeron:udp?endpoint=224.20.30.39:40456".to_owned(),
            rate: Some(12_345_678.0),
            naks: 31,
            lost: Some(44_000),
            subscribers: vec![Reader { name: "sub 13 3".to_owned(), rate: Some(12e6), ..Reader::default() }],
            ..Stream::default()
        };
        Screen {
            directory: "/dev/shm/aeron-ada".to_owned(),
            pid: 4711,
            totals: Totals {
                sent: 1.5e6,
                received: 12.3e6,
                naks_sent: 3.0,
                lost: 44_000,
                errors: 2,
                ..Totals::default()
            },
            duty_cycles: vec![DutyCycle { role: "Conductor", max_ns: 1_200_000, exceeded: 3 }],
            streams: vec![publication, image],
            ..Screen::default()
        }
    }

    #[test]
    fn everything_is_readable_in_80_columns_and_24_lines() {
        let lines = drawn(&screen(), &mut Controls::default(), 80, 24);
        assert!(
            lines[0].starts_with("epona top  ") && lines[0].ends_with("  pid 4711  /dev/shm/aeron-ada"),
            "{}",
            lines[0]
        );
        assert_eq!(
            lines[1..9],
            [
                "sent 1.5 MB/s  received 12 MB/s  retransmitted 0 B/s  lost 44 kB",
                "NAKs sent 3/s, heard 0/s  invalid packets 0  errors 2",
                "longest cycle: conductor 1 ms (3 over)",
                "STREAM                     RATE/s     LAG   TIME   NAKS    LOST HELD BY, ELSE CH",
                "image 9 stream 1002         12 MB     0 B            31   44 kB aeron:udp?endpoi",
                "  sub 13 3                  12 MB     0 B",
                "pub 7 stream 1001             0 B   66 kB  4.2 s      0         sub 12 'risk'",
                "  sub 12 'risk'               0 B   66 kB  4.2 s                still 4.0 s",
            ]
        );
        assert_eq!(lines[23], "q quit  p pause  s sort: rate  / filter  ? help");
    }

    #[test]
    fn keys_change_order_filter_and_help() {
        let lines = drawn(&screen(), &mut pressed("ps/risk"), 80, 24);
        assert!(lines[0].contains("  PAUSED  pid "), "{}", lines[0]);
        assert!(lines[5].starts_with("pub 7") && lines[7].is_empty(), "{lines:#?}");
        assert_eq!(lines[23], "filter: risk_   Enter keeps it, Esc drops it");
        let lines = drawn(&screen(), &mut pressed("/nobody"), 80, 24);
        assert_eq!(lines[5], "no stream has that");
        let lines = drawn(&screen(), &mut pressed("?"), 80, 24);
        for line in HELP.lines() {
            assert!(lines.iter().any(|drawn| drawn.contains(line)), "{line} in {lines:#?}");
        }
    }

    #[test]
    fn a_dead_driver_is_told_and_no_size_of_terminal_is_too_small() {
        let dead = Screen { absence: Some(String::from("it was shut down")), ..screen() };
        let lines = drawn(&dead, &mut Controls::default(), 80, 24);
        assert_eq!(lines[3], "NOT RUNNING: it was shut down");
        for (width, height) in [(1, 1), (10, 3), (80, 6), (300, 100)] {
            drawn(&dead, &mut pressed("?"), width, height);
        }
    }

    #[test]
    fn scrolling_ends_with_the_last_row() {
        let stream = |number: usize| Stream { name: format!("pub {number}"), ..Stream::default() };
        let many = Screen { streams: (0..100).map(stream).collect(), ..Screen::default() };
        let mut controls = pressed(&"j".repeat(1000));
        let lines = drawn(&many, &mut controls, 80, 24);
        assert_eq!(controls.scroll, 100 - 18);
        assert!(lines[22].starts_with("pub 99"), "{lines:#?}");
    }
}
