//! The operator's process.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::wait::{PATIENCE, eventually};

/// The flags of `keywright run`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    flags: BTreeMap<String, String>,
}

impl Settings {
    /// Sets a flag, in place of what it was set to before.
    #[must_use]
    pub(crate) fn with(mut self, flag: &str, value: &str) -> Self {
        self.flags.insert(flag.to_owned(), value.to_owned());
        self
    }
}

/// A running operator. It is killed when the value is dropped.
pub(crate) struct Operator {
    child: Child,
    settings: Settings,
    kubeconfig: PathBuf,
    log: PathBuf,
    address: SocketAddr,
}

impl Operator {
    /// Starts the operator; what it writes goes to `log`.
    pub(super) fn start(settings: Settings, kubeconfig: PathBuf, log: PathBuf) -> Self {
        let address = free_address();
        let child = spawn(&settings, &kubeconfig, &log, address);
        Self {
            child,
            settings,
            kubeconfig,
            log,
            address,
        }
    }

    /// Asks it to end and waits for that.
    ///
    /// # Panics
    /// Unless it ends with exit code 0.
    pub(crate) async fn stop(&mut self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "the operator ended with {status}");
    }

    /// Kills it, as a node that dies would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().unwrap();
        self.ended().await;
    }

    /// Starts it again after it was stopped or killed; its log goes on.
    pub(crate) fn start_again(&mut self) {
        self.address = free_address();
        self.child = spawn(&self.settings, &self.kubeconfig, &self.log, self.address);
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the operator ends", PATIENCE, async || {
            self.child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "it still runs".to_owned())
        })
        .await
    }

    /// Everything that it has written so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// What it answers to a GET: status and body, or why there is no answer.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}{path}", self.address);
        let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| error.to_string())?))
    }

    /// The value of a metric; 0 while it has none. `series` is its name with labels as `/metrics` shows it.
    pub(crate) async fn metric(&self, series: &str) -> Result<f64, String> {
        let (_, text) = self.get("/metrics").await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.map_or(0.0, |value| value.parse().unwrap()))
    }

    /// Waits until it leads and has listed everything.
    pub(crate) async fn leads(&self) {
        eventually("the operator leads and is ready", PATIENCE, async || {
            let (ready, said) = self.get("/readyz").await?;
            let leader = self.metric("keywright_leader").await?;
            if ready == 200 && leader > 0.0 {
                Ok(())
            } else {
                Err(format!("{ready} {said}, leader {leader}"))
            }
        })
        .await;
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(settings: &Settings, kubeconfig: &Path, log: &Path, address: SocketAddr) -> Child {
    let output = OpenOptions::new().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_keywright"))
        .arg("run")
        .args(settings.flags.iter().map(|(flag, value)| format!("{flag}={value}")))
        .arg(format!("--metrics-address={address}"))
        // Nothing of this machine's, such as a proxy, may change what is tested.
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}

/// An address that nobody listens on. Its port is below those that the system gives to outgoing connections,
/// so that none of the many that tests make can take it in the meantime.
fn free_address() -> SocketAddr {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 16_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let of_process = u16::try_from(std::process::id().wrapping_mul(64) % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let offset = of_process.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free");
}
