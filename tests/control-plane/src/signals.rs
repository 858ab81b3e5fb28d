//! What asks a program that runs servers to stop.

use std::io::Read;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::oneshot;

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// This signal was received.
    Signal(Signal),
    /// The caller closed stdin.
    StdinClosed,
}

/// Receives the requests. From its creation on, the signals no longer end this process by themselves.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Begins to receive them.
    ///
    /// # Errors
    ///
    /// When the system does not let this process receive signals.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
            stdin: None,
        })
    }

    /// Takes the end of stdin for a request, too.
    pub fn end_with_stdin(&mut self) {
        let (sender, receiver) = oneshot::channel();
        // A thread of its own: a read from stdin cannot be cancelled, and one of the runtime's would hold up its end.
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while std::io::stdin()
                .lock()
                .read(&mut buffer)
                .is_ok_and(|count| count > 0)
            {}
            let _ = sender.send(());
        });
        self.stdin = Some(receiver);
    }

    /// The next request.
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Signal(Signal::INT),
            _ = self.terminate.recv() => Stop::Signal(Signal::TERM),
            _ = self.hangup.recv() => Stop::Signal(Signal::HUP),
            () = closed(&mut self.stdin) => Stop::StdinClosed,
        }
    }
}

/// Waits for the end of stdin, once; forever if that is no request.
async fn closed(stdin: &mut Option<oneshot::Receiver<()>>) {
    match stdin {
        Some(receiver) => {
            let _ = receiver.await;
            *stdin = None;
        }
        None => std::future::pending().await,
    }
}
