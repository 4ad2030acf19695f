//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::Order;

/// Longest filter.
const MAX_FILTER: usize = 64;

/// What a key led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stay,
    Quit,
}

/// What keys have set.
#[derive(Clone, Debug, Default)]
pub(super) struct Controls {
    mode: Mode,
    is_paused: bool,
    order: Order,
    filter: String,
    /// Rows that are scrolled past.
    pub(super) scroll: usize,
}

/// What keys are taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Normal,
    /// Letters go into the filter.
    Filter,
    Help,
}

impl Controls {
    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(super) const fn order(&self) -> Order {
        self.order
    }

    pub(super) fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) fn on_key(&mut self, key: KeyEvent) -> Outcome {
        if key.kind == KeyEventKind::Release {
            return Outcome::Stay;
        }
        // A terminal in raw mode makes no signal of it.
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Outcome::Quit;
        }
        match self.mode {
            Mode::Normal => return self.on_normal_key(key.code),
            Mode::Filter => self.on_filter_key(key.code),
            Mode::Help => self.mode = Mode::Normal,
        }
        Outcome::Stay
    }

    fn on_normal_key(&mut self, key: KeyCode) -> Outcome {
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Outcome::Quit,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Down | KeyCode::Char('j') => self.scroll += 1,
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll += 10,
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            KeyCode::Home => self.scroll = 0,
            _ => {}
        }
        Outcome::Stay
    }

    fn on_filter_key(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.mode = Mode::Normal,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Normal;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if self.filter.len() < MAX_FILTER => self.filter.push(letter),
            _ => {}
        }
        self.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(controls: &mut Controls, keys: &[KeyCode]) -> Outcome {
        let outcomes: Vec<_> = keys.iter().map(|key| controls.on_key(KeyEvent::from(*key))).collect();
        *outcomes.last().unwrap()
    }

    #[test]
    fn keys_quit_pause_sort_and_scroll() {
        use KeyCode::{Char, Down, Esc, Home, PageDown, Up};
        let mut controls = Controls::default();
        assert_eq!(
            press(&mut controls, &[Char('p'), Char('s'), Char('s'), Down, PageDown, Up]),
            Outcome::Stay
        );
        assert_eq!((controls.is_paused(), controls.order(), controls.scroll), (true, Order::Naks, 10));
        press(&mut controls, &[Char(' '), Home, Up]);
        assert_eq!((controls.is_paused(), controls.scroll), (false, 0));
        assert_eq!(press(&mut controls, &[Char('q')]), Outcome::Quit);
        assert_eq!(press(&mut controls, &[Esc]), Outcome::Quit);
        let ctrl_c = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
        assert_eq!(controls.on_key(ctrl_c), Outcome::Quit);
    }

    #[test]
    fn letters_are_a_filter_once_that_is_asked_for() {
        use KeyCode::{Backspace, Char, Enter, Esc};
        let mut controls = Controls::default();
        assert_eq!(
            press(&mut controls, &[Char('/'), Char('q'), Char('x'), Backspace, Char('p')]),
            Outcome::Stay
        );
        assert_eq!((controls.mode(), controls.filter()), (Mode::Filter, "qp"));
        press(&mut controls, &[Enter]);
        assert_eq!((controls.mode(), controls.filter()), (Mode::Normal, "qp"));
        press(&mut controls, &[Char('/'), Esc]);
        assert_eq!((controls.mode(), controls.filter()), (Mode::Normal, ""));
        press(&mut controls, &[Char('?')]);
        assert_eq!(controls.mode(), Mode::Help);
        assert_eq!(press(&mut controls, &[Char('q')]), Outcome::Stay, "any key leaves the help");
        press(&mut controls, &[Char('/')]);
        for _ in 0..1000 {
            press(&mut controls, &[Char('x')]);
        }
        assert_eq!(controls.filter().len(), MAX_FILTER);
    }
}
