//! The operator, run as its Deployment says. There is no node, so it runs beside the cluster, with the token that its
//! pods would have.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cluster::{Cluster, eventually};

/// A running operator, which is killed when the value is dropped.
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
    metrics: String,
}

impl Operator {
    /// Runs what the Deployment `name` in `namespace` says, under its ServiceAccount, and waits until it has listed
    /// everything.
    pub(crate) async fn start(cluster: &Cluster, namespace: &str, name: &str) -> Self {
        let deployment = cluster.get("Deployment", namespace, name).await.unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let kubeconfig = cluster.kubeconfig_of(namespace, account).await;
        let environment = environment(cluster, namespace, pod).await;
        let metrics = free_address();
        let log = cluster
            .directory()
            .join(format!("operator-{}.log", metrics.replace(':', "-")));
        let operator = Self {
            child: spawn(pod, namespace, environment, &kubeconfig, &log, &metrics),
            log,
            metrics,
        };
        operator.until_it_leads().await;
        operator
    }

    /// Asks it to end, so that it gives up its Lease, and returns what it has logged.
    ///
    /// # Panics
    /// Unless it ends with exit code 0.
    pub(crate) async fn stop(mut self) -> String {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let status = eventually("the operator ends", async || {
            self.child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "it still runs".to_owned())
        })
        .await;
        assert!(status.success(), "{status}");
        self.log()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    async fn until_it_leads(&self) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |path: &str| {
            let answer = client.get(format!("http://{}{path}", self.metrics)).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let ok = answer.status().is_success();
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if ok { Ok(text) } else { Err(text) }
        };
        eventually("the operator leads and is ready", async || {
            let ready = async {
                get("/readyz").await?;
                let metrics = get("/metrics").await?;
                if metrics.contains("\nkeywright_leader 1\n") {
                    Ok(())
                } else {
                    Err("it does not lead".to_owned())
                }
            };
            ready
                .await
                .map_err(|error: String| format!("{error}\n{}", self.log()))
        })
        .await;
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<_> = log.lines().rev().take(40).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            eprintln!("--- the operator's last words\n{}", last.join("\n"));
        }
    }
}

/// An address that nobody listens on. Its port is below those that the system gives to outgoing connections, so that none
/// of the many that tests make can take it in the meantime.
fn free_address() -> String {
    let mut addresses =
        std::iter::repeat_with(|| format!("127.0.0.1:{}", rand::random_range(12_000..28_000)));
    addresses
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap()
}

/// The variables that the container gets by value. Where they name the place of a volume made of a ConfigMap, they name
/// a directory here that holds the same.
async fn environment(cluster: &Cluster, namespace: &str, pod: &Value) -> Vec<(String, String)> {
    let container = &pod["containers"][0];
    let mut places = Vec::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let volumes = pod["volumes"].as_array().unwrap();
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"])
            .unwrap();
        let name = volume["configMap"]["name"].as_str().unwrap();
        let directory = cluster.directory().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let map = cluster.get("ConfigMap", namespace, name).await.unwrap();
        for (key, text) in map["data"].as_object().unwrap() {
            std::fs::write(directory.join(key), text.as_str().unwrap()).unwrap();
        }
        places.push((
            mount["mountPath"].as_str().unwrap(),
            directory.display().to_string(),
        ));
    }
    let variables = container["env"].as_array().unwrap().iter();
    variables
        .filter_map(|variable| {
            let mut value = variable["value"].as_str()?.to_owned();
            for (there, here) in &places {
                value = value.replace(there, here);
            }
            Some((variable["name"].as_str()?.to_owned(), value))
        })
        .collect()
}

fn spawn(
    pod: &Value,
    namespace: &str,
    environment: Vec<(String, String)>,
    kubeconfig: &Path,
    log: &Path,
    metrics: &str,
) -> Child {
    let container = &pod["containers"][0];
    let arguments = container["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap());
    let output = File::create(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_keywright"))
        .args(arguments.filter(|argument| !argument.starts_with("--metrics-address=")))
        .arg(format!("--metrics-address={metrics}"))
        // Nothing of this machine's, such as a proxy, may change what is tested.
        .env_clear()
        .envs(environment)
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", namespace)
        .env("POD_NAME", "keywright-0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap()
}
