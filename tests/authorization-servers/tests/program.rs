//! The program `authorization-servers`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may stop at the first surprise, as tests may"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, which finds no Java, so that only the server that starts quickly is started.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authorization-servers"));
    command
        .args(arguments)
        .env("JAVA", "/no/such/java")
        .env_remove("CI")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A child that is killed if its test fails.
struct Supervisor(Child);

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has_node() -> bool {
    let output = Command::new("node").arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

fn until_refused(address: &str) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the server still answers");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Prints what the environment says, one value a line.
const PRINT: &str = r#"
    [ -f "$KEYWRIGHT_TEST_AUTHORIZATION_SERVERS/ca.crt" ] || exit 2
    echo "$KEYWRIGHT_TEST_AUTHORIZATION_SERVERS"
    echo "${KEYWRIGHT_TEST_OIDC_PROVIDER#https://}"
    echo "${KEYWRIGHT_TEST_KEYCLOAK-none}""#;

#[test]
fn exec_describes_the_servers_skips_what_cannot_run_and_returns_the_commands_code() {
    if !has_node() {
        return;
    }
    let script = format!("{PRINT}\nexit 7");
    let output = program(&["exec", "--", "sh", "-c", &script]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(7), "{errors}");
    assert!(
        errors.contains("SKIPPED Keycloak: Keycloak needs Java 17"),
        "{errors}"
    );
    let output = String::from_utf8(output.stdout).unwrap();
    let [directory, address, "none"] = output.lines().collect::<Vec<_>>()[..] else {
        panic!("{output}");
    };
    assert!(!Path::new(directory).exists());
    assert!(TcpStream::connect(address).is_err(), "the server still answers");
}

#[test]
fn a_server_that_cannot_run_is_an_error_in_ci() {
    let output = program(&["exec", "--", "true"])
        .env("CI", "true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("Keycloak needs Java 17"), "{errors}");
}

#[test]
fn servers_end_when_their_supervisor_gets_a_signal_or_is_killed() {
    if !has_node() {
        return;
    }
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let script = format!("{PRINT}\nwhile kill -0 $PPID 2> /dev/null; do sleep 0.05; done");
        let mut command = program(&["exec", "--", "sh", "-c", &script]);
        let mut supervisor = Supervisor(command.stderr(Stdio::inherit()).spawn().unwrap());
        let mut lines = BufReader::new(supervisor.0.stdout.take().unwrap()).lines();
        let _directory = lines.next().unwrap().unwrap();
        let address = lines.next().unwrap().unwrap();
        TcpStream::connect(&address).unwrap();
        kill_process(Pid::from_child(&supervisor.0), signal).unwrap();
        supervisor.0.wait().unwrap();
        until_refused(&address);
    }
}

#[test]
fn run_ends_with_stdin() {
    if !has_node() {
        return;
    }
    let mut command = program(&["run", "--until-stdin-closes"]);
    command.stdin(Stdio::piped()).stderr(Stdio::inherit());
    let mut supervisor = Supervisor(command.spawn().unwrap());
    let mut stdout = BufReader::new(supervisor.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let directory = line.trim_end().strip_prefix("ready ").unwrap().to_owned();
    assert!(Path::new(&directory).join("servers.json").is_file());
    drop(supervisor.0.stdin.take());
    assert!(supervisor.0.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!Path::new(&directory).exists());
}
