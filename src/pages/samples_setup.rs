//! One sample of every set-up page, and of every state that people see.

use super::domains::DomainSummary;
use super::setup::{
    DiscoveredTenant, FieldErrors, FirstAdminView, InvitationPage, MessagePage, SetUpHeader,
    SetUpPage, SetUpSteps, StaffSheet, TrialFailure, TrialPage, TrialPerson, TypedFields,
};
use super::status_card::{CredentialExpiry, StatusCard};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const CLIENT: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const HOME: &str = "/oauth2/setup";
const APP: &str = "fleet.contoso.example";

/// Returns a name and a page for each case.
pub(super) fn samples_of_setup() -> Vec<(&'static str, SetUpPage)> {
    let message =
        |what| SetUpPage::Message(MessagePage { app: APP.to_owned(), home: HOME.to_owned(), what });
    vec![
        ("setup-draft", SetUpPage::Steps(Box::new(draft()))),
        ("setup-refused", SetUpPage::Steps(Box::new(refused()))),
        ("setup-swapped", SetUpPage::Steps(Box::new(swapped()))),
        ("setup-saved", SetUpPage::Steps(Box::new(saved()))),
        ("setup-on", SetUpPage::Steps(Box::new(steps_when_on()))),
        ("setup-on-first", SetUpPage::Steps(Box::new(steps_when_on_at_first()))),
        (
            "setup-file",
            SetUpPage::Steps(Box::new(SetUpSteps { in_file: true, done: None, ..steps_when_on() })),
        ),
        (
            "setup-invitation",
            SetUpPage::Invitation(InvitationPage {
                app: APP.to_owned(),
                home: HOME.to_owned(),
                token: "Zm9yIHRoZSBzYW1wbGUgb25seQ".to_owned(),
            }),
        ),
        ("setup-link-used", message("link_used")),
        ("setup-link-over", message("link_over")),
        ("setup-visit-over", message("visit_over")),
        ("setup-trial-over", message("trial_over")),
        ("setup-first-admin", message("first_admin")),
        ("setup-no-offer", message("no_offer")),
        ("setup-left", message("left")),
        ("setup-turned-off", message("turned_off")),
        ("setup-deleted", message("deleted")),
        ("setup-trial-well", SetUpPage::Trial(Box::new(trial(Some(Ok(trial_person())), None)))),
        ("setup-trial-guest", SetUpPage::Trial(Box::new(trial(Some(Err("not_guest")), None)))),
        ("setup-trial-failed", SetUpPage::Trial(Box::new(trial(None, Some(failed()))))),
        (
            "setup-sheet",
            SetUpPage::Sheet(StaffSheet {
                head: head(),
                address: format!("https://{APP}"),
                domains: DomainSummary::default(),
                code: "contoso".to_owned(),
            }),
        ),
        (
            "setup-sheet-domain",
            SetUpPage::Sheet(StaffSheet {
                head: head(),
                address: format!("https://{APP}"),
                domains: domains(),
                code: "contoso".to_owned(),
            }),
        ),
    ]
}

fn head() -> SetUpHeader {
    SetUpHeader {
        app: APP.to_owned(),
        organization: "Contoso Freight".to_owned(),
        home: HOME.to_owned(),
    }
}

fn domains() -> DomainSummary {
    let rows = [
        ("contoso.example", "operator"),
        ("contoso-freight.example", "tenant"),
        ("contoso.net", "dns"),
        ("contoso.org", "dns"),
        ("contoso.com", "pending"),
    ];
    DomainSummary { rows: rows.map(|(domain, how)| (domain.to_owned(), how)).to_vec() }
}

fn draft() -> SetUpSteps {
    SetUpSteps {
        head: head(),
        by_link: true,
        in_file: false,
        redirect_uri: format!("https://{APP}/v1/callback"),
        typed: TypedFields::default(),
        wrong: FieldErrors::default(),
        may_swap: false,
        is_secret_kept: false,
        status: None,
        has_secret: false,
        waits: false,
        may_change_secret: true,
        may_turn_off: true,
        fresh: "/oauth2/start?rd=%2Foauth2%2Fsetup&organization=contoso&prompt=login".to_owned(),
        discovered: None,
        undiscovered: None,
        complete: false,
        tested: None,
        state: "draft",
        domains: DomainSummary::default(),
        code: "contoso".to_owned(),
        start: format!("https://{APP}/oauth2/start?organization=contoso"),
        done: None,
        refused: None,
    }
}

fn refused() -> SetUpSteps {
    let typed = TypedFields {
        tenant: "contoso.onmicrosoft.com".to_owned(),
        client_id: CLIENT.to_owned(),
        ends: "2024-01-31".to_owned(),
        secret: true,
    };
    let wrong = FieldErrors {
        tenant: Some("wrong_tenant"),
        client_id: None,
        client_secret: Some("wrong_secret_id"),
        ends: Some("wrong_past"),
    };
    SetUpSteps {
        typed,
        wrong,
        refused: Some("not_saved"),
        undiscovered: Some(("no_tenant", Some("AADSTS90002".to_owned()))),
        ..draft()
    }
}

fn swapped() -> SetUpSteps {
    let typed = TypedFields {
        tenant: CLIENT.to_owned(),
        client_id: TENANT.to_owned(),
        secret: true,
        ..TypedFields::default()
    };
    let wrong = FieldErrors { tenant: Some("wrong_swapped"), ..FieldErrors::default() };
    let refused = Some("not_saved");
    SetUpSteps { typed, wrong, may_swap: true, is_secret_kept: true, refused, ..draft() }
}

fn saved() -> SetUpSteps {
    let typed = TypedFields {
        tenant: TENANT.to_owned(),
        client_id: CLIENT.to_owned(),
        ends: "2027-11-30".to_owned(),
        secret: false,
    };
    let discovered = DiscoveredTenant {
        tenant: Some(TENANT.to_owned()),
        cloud: Some("microsoftonline.com".to_owned()),
        region: Some("EU".to_owned()),
        issuer: format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    };
    SetUpSteps {
        typed,
        has_secret: true,
        discovered: Some(discovered),
        complete: true,
        done: Some("saved"),
        ..draft()
    }
}

fn steps_when_on() -> SetUpSteps {
    SetUpSteps {
        by_link: false,
        may_change_secret: false,
        waits: true,
        tested: Some("2026-11-25 09:12:07Z".to_owned()),
        status: Some(StatusCard {
            since: "2026-11-25 09:14".to_owned(),
            last: Some(("maya@contoso.example".to_owned(), "2026-12-01 07:58".to_owned())),
            decisions: 2,
            expiry: CredentialExpiry::Soon("2026-12-19".to_owned(), 18),
        }),
        state: "on",
        domains: domains(),
        done: Some("on"),
        ..saved()
    }
}

fn steps_when_on_at_first() -> SetUpSteps {
    let status = StatusCard {
        since: "2026-11-25 09:14".to_owned(),
        last: None,
        decisions: 0,
        expiry: CredentialExpiry::Unknown,
    };
    SetUpSteps { by_link: true, waits: false, status: Some(status), ..steps_when_on() }
}

fn trial_person() -> TrialPerson {
    TrialPerson {
        how: "met_made",
        username: "maya@contoso.example".to_owned(),
        role: "worker".to_owned(),
        waits: None,
        alike: vec!["maya.okafor".to_owned()],
    }
}

fn trial(
    met: Option<Result<TrialPerson, &'static str>>,
    failed: Option<TrialFailure>,
) -> TrialPage {
    let claims = [
        ("claim_name", "Maya Okafor"),
        ("claim_username", "maya@contoso.example"),
        ("claim_email_verified", "maya@contoso.example"),
        ("claim_roles", "Fleet.Admin, Fleet.Reader"),
        ("claim_member", ""),
        ("claim_oid", "00aa00aa-1111-2222-3333-bb44bb44bb44"),
        ("claim_tid", TENANT),
    ];
    let claims = if failed.is_some() {
        Vec::new()
    } else {
        claims.into_iter().map(|(word, value)| (word, value.to_owned())).collect()
    };
    let offer = met.as_ref().is_some_and(Result::is_ok).then(|| FirstAdminView {
        role: "owner".to_owned(),
        name: "maya@contoso.example".to_owned(),
        oid: "00aa00aa-1111-2222-3333-bb44bb44bb44".to_owned(),
        tenant: TENANT.to_owned(),
    });
    TrialPage { head: head(), claims, met, failed, offer }
}

fn failed() -> TrialFailure {
    TrialFailure {
        code: Some("AADSTS7000215".to_owned()),
        title: "Sign-in is not available right now".to_owned(),
        what: "The app could not prove its identity to Microsoft: its credential is wrong."
            .to_owned(),
        next: vec!["Contact the app’s owner.".to_owned()],
        fix: Some("Create a new client secret.".to_owned()),
        place: Some(format!(
            "App registrations > All applications > the app with client ID {CLIENT} > Certificates & secrets"
        )),
        details: vec![
            ("Error".to_owned(), "invalid_client".to_owned()),
            ("Client ID".to_owned(), CLIENT.to_owned()),
        ],
        reference: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        swapped: Some((CLIENT.to_owned(), TENANT.to_owned())),
    }
}
