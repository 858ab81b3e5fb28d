//! The program `control-plane`, and the control plane that tests share.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use keywright_control_plane::{built_directory, shared};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, held to the programs built by this project whatever else is installed.
async fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
    command
        .env("KUBEBUILDER_ASSETS", built_directory().await.unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A child that is killed if its test fails.
struct Supervisor {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Supervisor {
    fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ready(&mut self) -> PathBuf {
        let line = self.line();
        PathBuf::from(
            line.strip_prefix("ready ")
                .unwrap_or_else(|| panic!("not ready: {line:?}")),
        )
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Host and port of the API server.
fn server(kubeconfig: &Path) -> String {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let url = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    url.strip_prefix("https://").unwrap().to_owned()
}

fn assert_stopped(kubeconfig: &Path, server: &str) {
    assert!(
        TcpStream::connect(server).is_err(),
        "the API server still answers"
    );
    assert!(
        !kubeconfig.parent().unwrap().exists(),
        "the directory is still there"
    );
}

#[tokio::test]
async fn run_ends_with_a_signal_or_with_stdin() {
    for closing in [false, true] {
        let mut command = program().await;
        let mut supervisor =
            Supervisor::spawn(command.arg("run").args(closing.then_some("--until-stdin-closes")));
        let kubeconfig = supervisor.ready();
        let server = server(&kubeconfig);
        TcpStream::connect(&server).unwrap();
        if closing {
            supervisor.stdin = None;
        } else {
            supervisor.signal(Signal::TERM);
        }
        assert_eq!(supervisor.end(), (Some(0), String::new()));
        assert_stopped(&kubeconfig, &server);
    }
}

#[tokio::test]
async fn a_killed_supervisor_takes_its_servers_with_it() {
    let mut supervisor = Supervisor::spawn(program().await.arg("run"));
    let kubeconfig = supervisor.ready();
    let address = server(&kubeconfig);
    supervisor.signal(Signal::KILL);
    supervisor.end();
    let begun = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the API server still answers");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // The next one removes what the killed one could not.
    let mut next = Supervisor::spawn(program().await.arg("run"));
    next.ready();
    assert!(!kubeconfig.exists());
    next.signal(Signal::INT);
    assert_eq!(next.end().0, Some(0));
}

#[tokio::test]
async fn exec_gives_the_command_a_cluster_and_returns_its_code() {
    let script = r#"
        [ "$KUBECONFIG" = "$KEYWRIGHT_TEST_KUBECONFIG" ] || exit 1
        [ "$(command -v kubectl)" = "$(dirname "$KUBECONFIG")/bin/kubectl" ] || exit 2
        [ "$(kubectl get --raw /readyz)" = ok ] || exit 3
        echo "$KUBECONFIG"
        exit 7"#;
    let mut supervisor = Supervisor::spawn(program().await.args(["exec", "--", "sh", "-c", script]));
    let (code, output) = supervisor.end();
    assert_eq!(code, Some(7), "{output}");
    assert!(!Path::new(output.trim_end()).exists());
}

#[tokio::test]
async fn exec_passes_signals_on() {
    let script = r#"trap "exit 5" TERM; echo "$KUBECONFIG"; while :; do sleep 0.05; done"#;
    let mut supervisor = Supervisor::spawn(program().await.args(["exec", "--", "sh", "-c", script]));
    let kubeconfig = PathBuf::from(supervisor.line());
    let server = server(&kubeconfig);
    supervisor.signal(Signal::TERM);
    assert_eq!(supervisor.end().0, Some(5));
    assert_stopped(&kubeconfig, &server);
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_named() {
    let mut command = program().await;
    command
        .args(["exec", "--", "/no/such/command"])
        .stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot run /no/such/command"), "{message}");
}

#[test]
fn shared_is_one_for_all_and_works() {
    let plane = shared().unwrap();
    assert!(std::ptr::eq(plane, shared().unwrap()));
    let output = Command::new(plane.kubectl())
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .args(["get", "serviceaccount", "default", "-o", "name"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "serviceaccount/default"
    );
}
