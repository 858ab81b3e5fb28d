//! What is recorded of a sign-up, as a status holds it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::recorded::{Pending, Recorded, Sending, Stopped};
use super::{CODE_LIFETIME, COOLDOWN, Stop, plus};
use crate::api::identity_account::{
    AccountState, CodeMailed, IdentityAccountStatus, PendingCall, RegistrationStatus, StoppedStatus,
};

impl Recorded {
    /// What a status holds.
    #[must_use]
    pub fn of(status: &IdentityAccountStatus) -> Self {
        let registration = status.registration.clone().unwrap_or_default();
        let sending = status.code_sent_at.as_ref().map(|at| Sending {
            at: at.0,
            mailed: registration.code_mailed.unwrap_or(CodeMailed::Unknown),
            resend_after: registration
                .resend_after
                .map_or_else(|| plus(at.0, COOLDOWN), |time| time.0),
            refused: registration.codes_refused,
            inputs_version: registration.code_inputs_version,
        });
        Self {
            verified: status.state == Some(AccountState::Verified),
            sending,
            pending: registration.pending_call.map(|pending| Pending {
                call: pending.call,
                at: pending.recorded_time.0,
                code: pending.code,
                request: pending.request,
                inputs_version: pending.inputs_version,
            }),
            mails: registration.codes_requested,
            spent: registration.spent_codes,
            calls: registration
                .counted_calls
                .into_iter()
                .map(|time| time.0)
                .collect(),
            throttled_until: registration.throttled_until.map(|time| time.0),
            retry_at: registration.retry_at.map(|time| time.0),
            failures: registration.failures,
            login_needed: registration.login_needed,
            stopped: registration.stopped.and_then(|stopped| {
                Some(Stopped {
                    stop: Stop::parse(&stopped.reason)?,
                    message: stopped.message,
                    inputs_version: stopped.inputs_version,
                })
            }),
            fulfilled_request: registration.fulfilled_code_request,
        }
    }

    /// Writes it into a status; what a status says beside it stays.
    pub fn write_to(&self, status: &mut IdentityAccountStatus) {
        let sending = self.sending.as_ref();
        status.state = Some(self.state());
        status.code_sent_at = sending.map(|sending| Time(sending.at));
        status.code_expires_at = sending
            .filter(|_| !self.verified)
            .map(|sending| Time(plus(sending.at, CODE_LIFETIME)));
        status.registration = Some(RegistrationStatus {
            pending_call: self.pending.as_ref().map(|pending| PendingCall {
                call: pending.call,
                recorded_time: Time(pending.at),
                code: pending.code.clone(),
                request: pending.request.clone(),
                inputs_version: pending.inputs_version.clone(),
            }),
            code_mailed: sending.map(|sending| sending.mailed),
            resend_after: sending.map(|sending| Time(sending.resend_after)),
            code_inputs_version: sending.and_then(|sending| sending.inputs_version.clone()),
            codes_requested: self.mails,
            codes_refused: sending.map_or(0, |sending| sending.refused),
            spent_codes: self.spent.clone(),
            counted_calls: self.calls.iter().copied().map(Time).collect(),
            throttled_until: self.throttled_until.map(Time),
            retry_at: self.retry_at.map(Time),
            failures: self.failures,
            login_needed: self.login_needed,
            stopped: self.stopped.as_ref().map(|stopped| StoppedStatus {
                reason: stopped.stop.as_str().to_owned(),
                message: stopped.message.clone(),
                inputs_version: stopped.inputs_version.clone(),
            }),
            fulfilled_code_request: self.fulfilled_request.clone(),
        });
    }
}
