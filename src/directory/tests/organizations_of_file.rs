//! Organizations of the configuration file.

use super::*;
use crate::base::credential::ClientCredential;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationState;

#[tokio::test]
async fn organizations_of_the_file_are_there_and_only_the_file_changes_them() {
    on_both(async |mut fixture: DatabaseFixture| {
        let of_file = crate::config::directory::OrganizationConfig {
            code: code("contoso"),
            name: "Contoso".to_owned(),
            tenant: Guid::parse(CONTOSO).unwrap(),
            client_id: Guid::parse(CLIENT).unwrap(),
            credential: ClientCredential::Secret(Secret::new(VALUE)),
            domains: vec!["contoso.com".to_owned()],
            default_role: "admin".to_owned(),
            first_sign_in: None,
            guests: true,
        };
        fixture.config.organizations = vec![of_file.clone()];
        let directory = fixture.open().await;
        let contoso = directory.organization_of("maya@contoso.com").await.unwrap().unwrap();
        assert_eq!((contoso.state, contoso.has_credential), (OrganizationState::On, true));
        let by = directory.connection(&contoso).await.unwrap().unwrap().by;
        assert!(
            by.is(&ConnectionCredential::OfFile(ClientCredential::Secret(Secret::new(VALUE)))),
            "{by:?}"
        );
        assert_eq!(
            directory
                .admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso)
                .await
                .unwrap()
                .role,
            "admin"
        );
        assert!(matches!(
            directory
                .change_organization(&contoso.code, OrganizationChange::default(), "a story")
                .await,
            Err(Error::InFile(_))
        ));

        fixture.config.organizations = vec![crate::config::directory::OrganizationConfig {
            name: "Contoso Freight".to_owned(),
            ..of_file
        }];
        let directory = fixture.open().await;
        let renamed = directory.organization_by_id(contoso.id).await.unwrap().unwrap();
        assert_eq!(
            (renamed.name.as_str(), renamed.state),
            ("Contoso Freight", OrganizationState::On)
        );

        fixture.config.organizations = Vec::new();
        let directory = fixture.open().await;
        let gone = directory.organization_by_id(contoso.id).await.unwrap().unwrap();
        assert_eq!((gone.state, gone.has_credential), (OrganizationState::Off, false));
        assert!(matches!(
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &gone).await,
            Err(MembershipRefusal::OrganizationOff)
        ));
    })
    .await;
}
