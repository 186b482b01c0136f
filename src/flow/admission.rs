//! Decides whether a request is served. Every request is judged here, no matter which entry point
//! (the proxy or forward auth) received it.

use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::refusal::Refusal;
use super::refusal::challenge::RequiredProof;
use super::upkeep::groups;
use super::upkeep::recheck;
use crate::access::policy::{Permit, RuleVerdict, Verdict};
use crate::base::target::Target;
use crate::config::access::{AuthContexts, SignedOutAnswer};
use crate::entra::graph;
use crate::session::record::Session;
use crate::session::rounds::ROUNDS_WINDOW_SECONDS;
use crate::sidecar::Process;
use crate::upstream::PermitCheck;
use crate::wire::inbound::CallerKind;
use std::sync::Arc;

/// The decision about a request. The entry points only translate it into a response.
#[derive(Debug)]
pub(super) enum Admission {
    /// The request may proceed.
    Permitted(Permit),
    /// No one is signed in. If `acrs` names authentication contexts, the sign-in must satisfy one
    /// of them.
    SignIn { signed_out: SignedOutAnswer, acrs: Option<AuthContexts> },
    /// The person must prove something first.
    StepUp { signed_out: SignedOutAnswer, proof: RequiredProof },
    /// The request is not served.
    Refused(Refusal),
}

/// The request to judge. With forward auth, it differs from the request that the front proxy sends
/// to ask about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdmissionRequest<'a> {
    pub(super) target: &'a Target,
    pub(super) opens_web_socket: bool,
}

/// Authenticates and judges a request. Records the session and the rule for the log.
pub(super) async fn admit(
    exchange: &Exchange<'_>,
    wanted: AdmissionRequest<'_>,
    facts: &mut RequestFacts,
) -> Admission {
    let (session, unauthenticated) = match exchange.authenticate().await {
        Ok(session) => (session, None),
        Err(cause) => (None, Some(cause)),
    };
    facts.session = session;
    let judged = match judge(exchange, wanted.target, facts.session.as_ref()).await {
        Ok(judged) => judged,
        Err(unknown) => return groups_unknown(exchange, unknown, facts.session.as_ref()),
    };
    facts.rule_line = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit)
            if wanted.opens_web_socket
                && is_by_cookie(&permit)
                && exchange.is_web_socket_of_another_site() =>
        {
            Admission::Refused(Refusal::ForeignOrigin)
        }
        Verdict::Permitted(permit) => Admission::Permitted(permit),
        Verdict::SignIn(signed_out, acrs) => match unauthenticated {
            // An outage does not sign anyone out, so a new sign-in would not help.
            Some(cause) => Admission::Refused(cause.into()),
            None => match exchange.required_proof() {
                Some(claims) => {
                    let acrs = acrs.unwrap_or_default();
                    let proof = RequiredProof { acrs, claims: Some(claims) };
                    Admission::StepUp { signed_out, proof }
                }
                None => Admission::SignIn { signed_out, acrs },
            },
        },
        Verdict::StepUp(signed_out, acrs) => {
            let claims = facts.session.as_ref().and_then(|it| it.standing().challenge());
            Admission::StepUp { signed_out, proof: RequiredProof { acrs, claims } }
        }
        Verdict::Forbidden => Admission::Refused(Refusal::Forbidden),
        Verdict::GroupsUnknown(_) => {
            Admission::Refused(Refusal::GroupsUnknown(graph::Error::Interrupted))
        }
    }
}

/// Groups that a rule needs and that are not known.
struct UnknownGroups {
    cause: graph::Error,
    signed_out: SignedOutAnswer,
}

/// If Entra or Graph requires a proof before it returns the groups, the person is asked for it,
/// unless the session has just brought one: another round would have the same result.
fn groups_unknown(
    exchange: &Exchange<'_>,
    unknown: UnknownGroups,
    session: Option<&Arc<Session>>,
) -> Admission {
    let now = exchange.sidecar.process.clock.now();
    let has_just_proven = session.is_some_and(|it| {
        it.answered().is_some() && now < it.started_at().saturating_add(ROUNDS_WINDOW_SECONDS)
    });
    match unknown.cause.challenge().filter(|_| !has_just_proven) {
        Some(claims) => Admission::StepUp {
            signed_out: unknown.signed_out,
            proof: RequiredProof { acrs: Arc::default(), claims: Some(claims.clone()) },
        },
        None => Admission::Refused(Refusal::GroupsUnknown(unknown.cause)),
    }
}

/// If the rules need groups that are not known yet, waits for Microsoft Graph and judges again.
async fn judge(
    exchange: &Exchange<'_>,
    target: &Target,
    session: Option<&Arc<Session>>,
) -> Result<RuleVerdict, UnknownGroups> {
    let judged = exchange.app.policy.judge(target.clone(), session.cloned());
    match (&judged.verdict, session) {
        (Verdict::GroupsUnknown(signed_out), Some(session)) => {
            let signed_out = *signed_out;
            Box::pin(judge_again(exchange, target, session))
                .await
                .map_err(|cause| UnknownGroups { cause, signed_out })
        }
        _ => Ok(judged),
    }
}

async fn judge_again(
    exchange: &Exchange<'_>,
    target: &Target,
    session: &Arc<Session>,
) -> Result<RuleVerdict, graph::Error> {
    groups::wait(exchange.sidecar, session).await?;
    Ok(exchange.app.policy.judge(target.clone(), Some(Arc::clone(session))))
}

/// Whether a page of another site can use the session: only one that a cookie proves.
fn is_by_cookie(permit: &Permit) -> bool {
    permit.session().is_some_and(|it| it.via().is_by_cookie())
}

/// Whether the rule allows a redirect to sign in and the client is a browser that navigates to a
/// page.
pub(super) fn redirects(caller: CallerKind, signed_out: SignedOutAnswer) -> bool {
    caller == CallerKind::Navigation && signed_out == SignedOutAnswer::Auto
}

/// The reason that is logged when the access rules end a long-running response.
const NOT_ALLOWED: &str = "the access rules no longer allow it";

/// Lets an admitted request continue as long as the newest rules would admit a request for the same
/// target. Transferred bytes count as use of the session, as requests do.
#[derive(Clone)]
pub(super) struct StillPermitted(pub(super) Arc<Process>);

impl PermitCheck for StillPermitted {
    fn still_holds(
        &self,
        target: &Target,
        session: &Arc<Session>,
        used: bool,
    ) -> Result<(), &'static str> {
        let newest = self.0.newest.load_full().ok_or(NOT_ALLOWED)?;
        if !self.0.live.is_still_live(session, used) {
            return Err("its session ended");
        }
        if session.via().is_by_cookie() && self.0.store.check_grace().is_err() {
            return Err("the session store has not answered for longer than session.store_grace");
        }
        if !recheck::is_still_confirmed(&self.0, session) {
            return Err("Entra has not answered for longer than entra.recheck_grace");
        }
        groups::request_if_due_for_long_response(&self.0, &newest, session);
        match newest.policy.judge(target.clone(), Some(Arc::clone(session))).verdict {
            Verdict::Permitted(_) => Ok(()),
            Verdict::GroupsUnknown(_) => Err("its groups are no longer known"),
            _ => Err(NOT_ALLOWED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::guid::Guid;
    use crate::base::identity::{Identity, PersonGroups};
    use crate::entra::verified::VerifiedUser;
    use crate::seal::random;
    use crate::sidecar::Sidecar;
    use crate::telemetry::log::Log;
    use crate::wire::inbound::InboundRequest;
    use crate::wire::peer::Peer;
    use http::Request;

    const CONFIG: &str = r#"
[server]
public_url = "https://app.example"
[upstream]
url = "http://127.0.0.1:1"
[entra]
tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = "a client secret that nobody uses"
[[access.rule]]
path = "/public"
allow = "anyone"
[[access.rule]]
path = "/admin"
allow = { roles = ["Admin"] }
[[access.rule]]
path = "/proven"
allow = { acrs = ["c1"] }
[[access.rule]]
path = "/script"
signed_out = "401"
allow = { acrs = ["c1"] }
[[access.rule]]
path = "/group"
allow = { groups = ["0f0f0f0f-0000-4000-8000-000000000001"] }
"#;
    const COOKIE: &str = "__Host-entrada";

    fn sidecar() -> Sidecar {
        let read = crate::config::read("test", CONFIG, &[]);
        let config = read.config.unwrap_or_else(|| panic!("{:?}", read.problems));
        let log = Log::start(&config.telemetry, std::io::sink()).unwrap();
        let process = Process::new(&config, Clock::system(), random::system(), log, Vec::new());
        Sidecar::new(&config, process).unwrap().0
    }

    /// A person with the role User. The token does not list their groups.
    fn identity() -> Identity {
        Identity {
            preferred_username: Some("maya@contoso.example".into()),
            roles: ["User"].into_iter().collect(),
            groups: PersonGroups::Overage,
            ..Identity::new(
                Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee0001").unwrap(),
                Guid::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap(),
            )
        }
    }

    async fn admission(
        sidecar: &Sidecar,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Admission, RequestFacts) {
        let mut request = Request::get(path).header("host", "app.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let peer = Peer::of_socket(None, true);
        let inbound = InboundRequest::read(
            &parts,
            &peer,
            &sidecar.trust,
            sidecar.strictness,
            &sidecar.process.ids,
        )
        .unwrap();
        let exchange =
            Exchange { sidecar, app: &sidecar.app, inbound: &inbound, headers: &parts.headers };
        let wanted = AdmissionRequest {
            target: &inbound.target,
            opens_web_socket: parts.headers.contains_key("sec-websocket-key"),
        };
        let mut facts = RequestFacts::default();
        let admission = admit(&exchange, wanted, &mut facts).await;
        (admission, facts)
    }

    fn name(admission: &Admission) -> String {
        match admission {
            Admission::Permitted(permit) => format!("permitted {}", permit.target().path()),
            Admission::SignIn { signed_out, acrs } => {
                format!("sign in {signed_out:?} {:?}", acrs.as_deref().unwrap_or_default())
            }
            Admission::StepUp { signed_out, proof } => {
                format!("step up {signed_out:?} {:?}", proof.acrs)
            }
            Admission::Refused(refusal) => format!("refused: {}", refusal.cause()),
        }
    }

    #[tokio::test]
    async fn a_request_is_judged_by_the_rules_and_by_who_sent_it() {
        let sidecar = sidecar();
        let (id, session) = sidecar.process.live.create(VerifiedUser::pretended(identity()).into());
        let cookie = format!("{COOKIE}={}", id.expose());
        let twice = format!("{cookie}; {COOKIE}=planted");
        let signed_in = [("cookie", cookie.as_str())];
        let planted = [("cookie", twice.as_str())];
        for (path, headers, expected) in [
            ("/public", &[][..], "permitted /public"),
            ("/", &[], "sign in Auto []"),
            ("/proven", &[], "sign in Auto [\"c1\"]"),
            ("/script", &[], "sign in Unauthorized [\"c1\"]"),
            ("/", &planted, "sign in Auto []"),
            ("/", &signed_in, "permitted /"),
            ("/admin", &signed_in, "refused: denied by the access rules"),
            ("/proven", &signed_in, "step up Auto [\"c1\"]"),
            ("/script", &signed_in, "step up Unauthorized [\"c1\"]"),
            (
                "/group",
                &signed_in,
                "refused: a rule needs groups that are unknown: Entra returned no refresh token to use for Microsoft Graph",
            ),
        ] {
            let (admission, facts) = admission(&sidecar, path, headers).await;
            assert_eq!(name(&admission), expected, "{path} {headers:?}");
            let is_signed_in = headers.len() == 1 && headers[0].1 == cookie;
            assert_eq!(
                facts.session.map(|it| Arc::ptr_eq(&it, &session)),
                is_signed_in.then_some(true),
                "{path}"
            );
            assert_eq!(facts.rule_line.is_some(), !matches!(path, "/" | "/group"), "{path}");
        }
    }

    #[tokio::test]
    async fn a_page_of_another_site_opens_no_web_socket_and_may_link_here() {
        let sidecar = sidecar();
        let (id, _) = sidecar.process.live.create(VerifiedUser::pretended(identity()).into());
        let cookie = format!("{COOKIE}={}", id.expose());
        for (path, origin, web_socket, is_permitted) in [
            ("/", "https://app.example", true, true),
            ("/", "https://other.example", true, false),
            ("/public", "https://other.example", true, false),
            ("/", "https://other.example", false, true),
        ] {
            let mut headers = vec![("cookie", cookie.as_str()), ("origin", origin)];
            headers.extend(web_socket.then_some(("sec-websocket-key", "x")));
            let (admission, _) = admission(&sidecar, path, &headers).await;
            let expected = if is_permitted {
                format!("permitted {path}")
            } else {
                "refused: upgrade from a page of another origin".to_owned()
            };
            assert_eq!(name(&admission), expected, "{path} {origin} {web_socket}");
        }
    }

    #[tokio::test]
    async fn an_ended_session_admits_nobody_and_a_permit_ends_with_it() {
        let sidecar = sidecar();
        let (id, _) = sidecar.process.live.create(VerifiedUser::pretended(identity()).into());
        let cookie = format!("{COOKIE}={}", id.expose());
        let headers = [("cookie", cookie.as_str())];
        let (Admission::Permitted(permit), _) = admission(&sidecar, "/", &headers).await else {
            panic!("not permitted")
        };
        sidecar.process.newest.store(Some(Arc::new(sidecar.registrations())));
        let check = StillPermitted(Arc::clone(&sidecar.process));
        let session = Arc::clone(permit.session().unwrap());
        assert_eq!(check.still_holds(permit.target(), &session, true), Ok(()));
        sidecar.process.live.end(id.expose());
        assert_eq!(check.still_holds(permit.target(), &session, true), Err("its session ended"));
        assert_eq!(name(&admission(&sidecar, "/", &headers).await.0), "sign in Auto []");
    }
}
