//! The demo as a process, and what it leaves behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Tells the processes of one show from those of others.
const MARKER: &str = "KEYWRIGHT_DEMO_TEST_SHOW";

/// Waits for the other tests that use the demo's namespace in the shared cluster.
pub(crate) fn exclusively() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running demo.
pub(crate) struct Show {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
    temporary: TempDir,
}

/// A demo that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
    temporary: TempDir,
}

impl Show {
    /// Starts it with these environment variables.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let demo = Path::new(env!("CARGO_BIN_EXE_keywright-demo"));
        for program in ["keywright", "keywright-sandbox"] {
            let program = demo.with_file_name(program);
            assert!(
                program.is_file(),
                "{program:?} is missing: cargo build --workspace --bins makes it"
            );
        }
        let temporary = tempfile::tempdir().unwrap();
        let mut command = Command::new(demo);
        for variable in ["KEEP", "CLUSTER", "ONBOARDING", "KUBECONFIG"] {
            command.env_remove(variable);
        }
        let mut child = command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .env("TMPDIR", temporary.path())
            .env(MARKER, temporary.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(temporary.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            said: String::new(),
            temporary,
        }
    }

    /// Reads until a line that contains `text`.
    pub(crate) fn until_said(&mut self, text: &str) {
        loop {
            let mut line = String::new();
            let count = self.lines.read_line(&mut line).unwrap();
            self.said.push_str(&line);
            assert!(
                count > 0,
                "{text:?} was never said:\n{}\n{}",
                self.said,
                self.errors()
            );
            if line.contains(text) {
                return;
            }
        }
    }

    /// Waits until the demo has started another process.
    pub(crate) fn until_a_child_runs(&self, limit: Duration) {
        let begun = Instant::now();
        while processes(self.temporary.path()).len() < 2 {
            assert!(begun.elapsed() < limit, "no other process was started");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the process whose command line contains `text`.
    pub(crate) fn kill(&self, text: &str) {
        let running = processes(self.temporary.path());
        let (id, _) = running
            .iter()
            .find(|(_, command)| command.contains(text))
            .unwrap();
        kill_process(Pid::from_raw(*id).unwrap(), Signal::KILL).unwrap();
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Reads to the end.
    pub(crate) fn until_end(mut self) -> Ended {
        self.lines.read_to_string(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code();
        let errors = self.errors();
        fs::remove_file(self.temporary.path().join("stderr")).unwrap();
        Ended {
            code,
            output: self.said,
            errors,
            temporary: self.temporary,
        }
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.temporary.path().join("stderr")).unwrap()
    }
}

impl Ended {
    /// Fails if a process is left.
    pub(crate) fn no_process_is_left(&self) {
        assert_eq!(processes(self.temporary.path()), Vec::new(), "processes are left");
    }

    /// Fails if a process or a file is left.
    pub(crate) fn nothing_is_left(&self) {
        self.no_process_is_left();
        let path = self.temporary.path();
        let files: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.is_empty(), "files are left: {files:?}");
    }
}

/// The processes of a show, with their command lines. Where there is no /proc, none are found.
fn processes(marker: &Path) -> Vec<(i32, String)> {
    let wanted = format!("{MARKER}={}", marker.display());
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        // Processes of others cannot be read, and some end meanwhile.
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == wanted.as_bytes())
        {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let id = process.file_name().unwrap().to_str().unwrap().parse().unwrap();
            found.push((id, String::from_utf8_lossy(&arguments).replace('\0', " ")));
        }
    }
    found
}
