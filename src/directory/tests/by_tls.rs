//! PostgreSQL over TLS.

use super::*;

/// TLS to PostgreSQL verifies the certificate's issuer and its name.
#[tokio::test]
async fn a_postgresql_that_cannot_prove_who_it_is_is_not_spoken_to() {
    let Some(address) = postgres::database() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("ca.pem");
    std::fs::write(
        &stranger,
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem(),
    )
    .unwrap();
    let open = async |address: String| {
        let fixture = DatabaseFixture {
            config: config(DatabaseConfig::Postgres(Secret::new(address))),
            clock: Clock::system(),
            _folder: None,
        };
        fixture.opened_with(&["a secret of the stories, longer than 32 bytes"]).await
    };
    assert!(
        open(postgres::by_tls(&address, "127.0.0.1", None)).await.is_err(),
        "a name that is not the certificate's"
    );
    assert!(
        open(postgres::by_tls(&address, "localhost", Some(&stranger))).await.is_err(),
        "another authority"
    );
    let directory = open(postgres::by_tls(&address, "localhost", None)).await.unwrap();
    let row = directory
        .database
        .row("SELECT ssl::text AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()", Vec::new())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.text("tls").unwrap(), "true");
}
