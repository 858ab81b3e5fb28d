//! `keywright run`: groups of flags that become one validated [`Config`].

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::values::{Namespaces, cluster_id, duration, interval, namespaces};
use crate::app::{self, Config};
use crate::controller::client_application::plan::Policy;
use crate::controller::token::TokenPolicy;
use crate::credential::schedule::Backoff;
use crate::kube_ext::lease::Timings;
use crate::telemetry::logs::{self, LogFormat};

/// The flags of `keywright run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    election: ElectionArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Scope")]
struct ScopeArgs {
    /// Namespaces to look after, separated by commas; all when absent
    #[arg(long, env = "KEYWRIGHT_WATCH_NAMESPACES", value_parser = namespaces, default_value = "", hide_default_value = true, value_name = "NAMESPACES")]
    watch_namespaces: Namespaces,
    /// Whether ClusterIdentityProviders are looked after
    #[arg(long, env = "KEYWRIGHT_CLUSTER_IDENTITY_PROVIDERS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    cluster_identity_providers: bool,
    /// Whether Secrets are watched; without that, a change of one is noticed within the drift interval
    #[arg(long, env = "KEYWRIGHT_WATCH_SECRETS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    watch_secrets: bool,
    /// Namespace of the operator: its Lease and the Secrets of ClusterIdentityProviders live there
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "keywright-system",
        value_name = "NAMESPACE"
    )]
    operator_namespace: String,
    /// Name of this replica in the Lease and in events
    #[arg(long, env = "POD_NAME", default_value = "keywright", value_name = "NAME")]
    replica_name: String,
    /// Identifier of this cluster in the marks on applications; the UID of its kube-system namespace when absent
    #[arg(long, env = "KEYWRIGHT_CLUSTER_ID", value_parser = cluster_id, value_name = "ID")]
    cluster_id: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Leader election")]
struct ElectionArgs {
    /// Whether replicas elect a leader; without it, never run two
    #[arg(long, env = "KEYWRIGHT_LEADER_ELECTION", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    leader_election: bool,
    /// Name of the Lease
    #[arg(
        long,
        env = "KEYWRIGHT_LEASE_NAME",
        default_value = "keywright",
        value_name = "NAME"
    )]
    lease_name: String,
    /// How long the others wait for a leader that is silent
    #[arg(long, env = "KEYWRIGHT_LEASE_DURATION", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    lease_duration: Duration,
    /// How long a leader tries to renew before it steps down
    #[arg(long, env = "KEYWRIGHT_LEASE_RENEW_DEADLINE", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    lease_renew_deadline: Duration,
    /// Pause between two tries
    #[arg(long, env = "KEYWRIGHT_LEASE_RETRY_PERIOD", default_value = "2s", value_parser = duration, value_name = "DURATION")]
    lease_retry_period: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Pace")]
struct PaceArgs {
    /// How often an application is compared with its resource when nothing calls for it sooner
    #[arg(long, env = "KEYWRIGHT_DRIFT_INTERVAL", default_value = "1h", value_parser = interval, value_name = "DURATION")]
    drift_interval: Duration,
    /// How often a provider that works is asked whether it still does
    #[arg(long, env = "KEYWRIGHT_PROVIDER_CHECK_INTERVAL", default_value = "10m", value_parser = interval, value_name = "DURATION")]
    provider_check_interval: Duration,
    /// How long one call to an identity API may take
    #[arg(long, env = "KEYWRIGHT_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "DURATION")]
    request_timeout: Duration,
    /// How long a creation whose outcome is unknown may still take effect; no other is tried before. At least three
    /// times the request timeout
    #[arg(long, env = "KEYWRIGHT_CREATION_SETTLE_TIME", default_value = "90s", value_parser = duration, value_name = "DURATION")]
    creation_settle_time: Duration,
    /// How long a deletion waits for the identity API before the application is left as it is
    #[arg(long, env = "KEYWRIGHT_RELEASE_TIMEOUT", default_value = "2m", value_parser = duration, value_name = "DURATION")]
    release_timeout: Duration,
    /// How long the kubelet may take to show a changed Secret to a pod; tokens are refreshed that much earlier
    #[arg(long, env = "KEYWRIGHT_PROPAGATION_BUDGET", default_value = "4m", value_parser = duration, value_name = "DURATION")]
    propagation_budget: Duration,
    /// Longest pause between two tries after failures that pass by themselves
    #[arg(long, env = "KEYWRIGHT_LONGEST_BACKOFF", default_value = "5m", value_parser = duration, value_name = "DURATION")]
    longest_backoff: Duration,
    /// Resources of one kind that are worked on at the same time
    #[arg(long, env = "KEYWRIGHT_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "NUMBER")]
    concurrency: u16,
    /// How long a shutdown waits for work that has begun
    #[arg(long, env = "KEYWRIGHT_SHUTDOWN_TIMEOUT", default_value = "25s", value_parser = duration, value_name = "DURATION")]
    shutdown_timeout: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Telemetry")]
struct TelemetryArgs {
    /// Address that serves /livez, /readyz and /metrics
    #[arg(
        long,
        env = "KEYWRIGHT_METRICS_ADDRESS",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    metrics_address: SocketAddr,
    /// Form of the log
    #[arg(long, env = "KEYWRIGHT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json, value_name = "FORMAT")]
    log_format: LogFormat,
    /// What is logged, in the syntax of RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = logs::DEFAULT_FILTER, value_name = "FILTER")]
    log_filter: String,
}

/// Runs the operator until it ends.
pub(super) fn run(args: RunArgs) -> Result<(), String> {
    let config = config(args)?;
    logs::init(config.log_format, &config.log_filter).map_err(|error| error.to_string())?;
    super::with_runtime(app::run(config))?.map_err(|error| error.to_string())
}

fn config(args: RunArgs) -> Result<Config, String> {
    let RunArgs {
        scope,
        election,
        pace,
        telemetry,
    } = args;
    let ScopeArgs {
        watch_namespaces,
        cluster_identity_providers,
        watch_secrets,
        operator_namespace,
        replica_name,
        cluster_id,
    } = scope;
    let ElectionArgs {
        leader_election,
        lease_name,
        lease_duration,
        lease_renew_deadline,
        lease_retry_period,
    } = election;
    let PaceArgs {
        drift_interval,
        provider_check_interval,
        request_timeout,
        creation_settle_time,
        release_timeout,
        propagation_budget,
        longest_backoff,
        concurrency,
        shutdown_timeout,
    } = pace;
    let TelemetryArgs {
        metrics_address,
        log_format,
        log_filter,
    } = telemetry;
    // With a token in hand a creation is one call; the second covers a login on the way, and what takes longer is
    // cut off.
    let creation_deadline = request_timeout.saturating_mul(2);
    // As long as a call may take, the identity API may go on with a request that nobody waits for any more.
    let settled = creation_deadline.saturating_add(request_timeout);
    if creation_settle_time < settled {
        return Err(format!(
            "--creation-settle-time {creation_settle_time:?}: must be at least {settled:?}, three times --request-timeout \
             ({request_timeout:?}): a login and a creation may take that time each, and the identity API may go on that \
             long with a creation that was given up"
        ));
    }
    let backoff = Backoff {
        first: Duration::from_secs(1).min(longest_backoff),
        longest: longest_backoff,
    };
    let timings = Timings::new(lease_duration, lease_renew_deadline, lease_retry_period);
    Ok(Config {
        watch_namespaces: watch_namespaces.0,
        cluster_identity_providers,
        watch_secrets,
        operator_namespace,
        replica_name,
        cluster_id,
        lease: leader_election.then_some(lease_name),
        lease_timings: timings.map_err(|error| error.to_string())?,
        policy: Policy {
            drift_interval,
            creation_settle_time,
            creation_deadline,
            release_timeout,
            backoff,
            denied_pause: DENIED_PAUSE,
            token: TokenPolicy {
                propagation: propagation_budget,
                backoff,
                denied_pause: DENIED_PAUSE,
            },
        },
        provider_check_interval,
        request_timeout,
        concurrency,
        shutdown_timeout,
        metrics_address,
        log_format,
        log_filter,
    })
}

/// Pause after a failure that somebody has to mend; a change of what it rests on ends it.
const DENIED_PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_help_fits_on_a_screen_and_is_for_people_who_run_it() {
        let mut command = Cli::command();
        command.build();
        let help = command
            .find_subcommand_mut("run")
            .unwrap()
            .render_long_help()
            .to_string();
        let long: Vec<_> = help.lines().filter(|line| line.chars().count() > 110).collect();
        assert!(long.is_empty(), "{long:#?}");
        assert!(
            help.contains("One JSON object per line, for a log collector"),
            "{help}"
        );
        assert!(!help.contains("span"), "{help}");
    }

    #[test]
    fn a_wrong_value_is_refused_with_a_sentence() {
        for (args, expected) in [
            (
                &["--drift-interval", "soon"][..],
                "write for example 500ms, 30s, 10m or 1h",
            ),
            (&["--release-timeout", "0s"], "must be longer than zero"),
            (&["--cluster-id", "a b"], "must be 1 to 63 letters"),
            (&["--concurrency", "0"], "0 is not in 1..=1024"),
            (&["--drift-interval", "1ms"], "must be at least 1s"),
            (
                &["--watch-namespaces", "shop,Not_One"],
                "\"Not_One\" is not the name of a namespace",
            ),
        ] {
            let refused = Cli::try_parse_from(["keywright", "run"].iter().chain(args))
                .unwrap_err()
                .to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    fn settings(args: &[&str]) -> Result<Config, String> {
        let cli = Cli::try_parse_from(["keywright", "run"].iter().chain(args)).unwrap();
        let Command::Run(args) = cli.command else {
            panic!("another command")
        };
        config(*args)
    }

    #[test]
    fn no_namespace_named_means_all_of_them() {
        assert!(
            settings(&["--watch-namespaces", ""])
                .unwrap()
                .watch_namespaces
                .is_empty()
        );
        assert_eq!(
            settings(&["--watch-namespaces", "a,, b"])
                .unwrap()
                .watch_namespaces,
            ["a", "b"]
        );
    }

    #[test]
    fn a_creation_has_settled_only_after_the_longest_chain_of_its_calls() {
        let refused = settings(&["--request-timeout", "31s"]).unwrap_err();
        assert!(
            refused.contains(
                "--creation-settle-time 90s: must be at least 93s, three times --request-timeout (31s)"
            ),
            "{refused}"
        );
        let policy = settings(&["--request-timeout", "30s"]).unwrap().policy;
        assert_eq!(policy.creation_deadline, Duration::from_secs(60));
    }

    #[test]
    fn lease_durations_that_do_not_fit_together_are_refused() {
        assert!(
            settings(&["--lease-duration", "5s"])
                .unwrap_err()
                .contains("--lease-renew-deadline")
        );
    }
}
