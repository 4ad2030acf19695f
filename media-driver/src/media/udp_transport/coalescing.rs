//! Whether the kernel puts datagrams together.
//!
//! Coalesced datagrams can only be told apart by a control message, and asking for one makes every read dearer, of those
//! that find nothing too. So it is done while datagrams come in runs, and given up while they come one by one.

use std::{io, mem::MaybeUninit, os::fd::AsFd};

use socket2::Socket;

use super::super::sys;

/// Single datagrams in a row after which no runs are expected.
const SINGLES: u32 = 64;

/// Whether datagrams of one socket arrive coalesced.
#[derive(Debug)]
pub(super) struct Coalescing {
    is_able: bool,
    is_on: bool,
    singles: u32,
}

impl Coalescing {
    /// Never.
    pub(super) const OFF: Self = Self { is_able: false, is_on: false, singles: 0 };

    /// From now on, where the kernel can.
    pub(super) fn begin(socket: &Socket) -> Self {
        let is_able = sys::set_coalescing(socket.as_fd(), true).is_ok();
        Self { is_able, is_on: is_able, singles: 0 }
    }

    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// A read brought one datagram, or nothing.
    #[inline]
    pub(super) fn on_single(&mut self, socket: &Socket, datagrams: usize) {
        if self.is_on {
            self.singles += datagrams as u32;
            if self.singles >= SINGLES && datagrams == 0 {
                self.end(socket);
            }
        }
    }

    /// A read brought several datagrams.
    #[inline]
    pub(super) fn on_run(&mut self, socket: &Socket) {
        self.singles = 0;
        if self.is_able && !self.is_on {
            self.is_on = sys::set_coalescing(socket.as_fd(), true).is_ok();
        }
    }

    /// What arrived coalesced before the kernel stops must be read with control messages, which it gives no longer once it
    /// has stopped: with anything waiting, it goes on.
    #[cold]
    fn end(&mut self, socket: &Socket) {
        self.singles = 0;
        if sys::set_coalescing(socket.as_fd(), false).is_ok() {
            let waiting = socket.peek(&mut [MaybeUninit::uninit(); 1]);
            let is_empty = waiting.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            self.is_on = !is_empty && sys::set_coalescing(socket.as_fd(), true).is_ok();
        }
    }
}
