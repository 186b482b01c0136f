//! An app verifies the assertion in its own language, with the programs of docs/guides/verify.

use crate::outside;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entrada::base::clock::Clock;
use entrada::base::secret::Secret;
use entrada::seal::jwk::SigningKeys;
use entrada::seal::keyring::Keyring;
use entrada::seal::random;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ISSUER: &str = "https://app.example.com";
const AUDIENCE: &str = "https://app.example.com/api";

#[test]
fn node_verifies_the_assertion() {
    if let (Some(node), Some(program)) =
        (outside::tool("node"), outside::there("target/verify/node/verify.mjs"))
    {
        judges_rightly(|| arguments(&node, &[&program]));
    }
}

#[test]
fn python_verifies_the_assertion() {
    if let Some(python) = outside::python() {
        judges_rightly(|| {
            arguments(&python, &[&outside::root().join("docs/guides/verify/python/verify.py")])
        });
    }
}

#[test]
fn go_verifies_the_assertion() {
    if let Some(program) = outside::there("target/verify/go/verify") {
        judges_rightly(|| arguments(&program, &[]));
    }
}

#[test]
fn rust_verifies_the_assertion() {
    if let Some(program) = outside::there("target/verify/rust/debug/verify") {
        judges_rightly(|| arguments(&program, &[]));
    }
}

#[test]
fn java_verifies_the_assertion() {
    if let (Some(java), Some(folder)) =
        (outside::tool("java"), outside::there("target/verify/java"))
    {
        let class_path = format!("{}:{}/lib/*", folder.display(), folder.display());
        judges_rightly(|| {
            arguments(&java, &[Path::new("-cp"), Path::new(&class_path), Path::new("Verify")])
        });
    }
}

#[test]
fn csharp_verifies_the_assertion() {
    if let Some(dotnet) = outside::tool("dotnet") {
        let project = outside::root().join("docs/guides/verify/csharp/verify.csproj");
        let artifacts = outside::root().join("target/verify/csharp");
        let options = [
            "run",
            "--artifacts-path",
            artifacts.to_str().unwrap(),
            "--project",
            project.to_str().unwrap(),
        ]
        .map(Path::new);
        judges_rightly(|| arguments(&dotnet, &options));
    }
}

#[test]
fn what_an_app_sends_us_to_verify_by_is_pinned() {
    for (file, pin) in [
        ("node/package-lock.json", "\"integrity\""),
        ("python/requirements.txt", "--hash=sha256:"),
        ("go/go.sum", "h1:"),
        ("rust/Cargo.lock", "checksum"),
        ("java/pom.xml", "<version>10.10</version>"),
        ("csharp/verify.csproj", "Version=\"8.23.0\""),
    ] {
        let text =
            std::fs::read_to_string(outside::root().join("docs/guides/verify").join(file)).unwrap();
        assert!(text.contains(pin), "{file}");
    }
}

fn arguments(program: &Path, arguments: &[&Path]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The good assertion passes with its claims as they were minted, and every bad one is refused with a word why.
fn judges_rightly(program: impl Fn() -> Command) {
    let keys = keys("a secret of at least thirty-two bytes");
    let url = serve(keys.jwks());
    let run = |assertion: &str| run(program(), &url, assertion);

    let good = run(&signed(&keys, "entrada+jwt", &claims()));
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let heard: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(heard["sub"], claims()["sub"]);
    assert_eq!(heard["name"], "Zoë Łukasik 王");
    assert_eq!(heard["roles"], json!(["Admin", "Reader"]));

    for (what, assertion) in bad(&keys) {
        let refused = run(&assertion);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(
            refused.status.code(),
            Some(1),
            "{what} passed: {said}{}",
            String::from_utf8_lossy(&refused.stdout)
        );
        assert!(said.contains("refused"), "{what}: {said}");
        assert!(refused.stdout.is_empty(), "{what}");
    }
}

fn run(mut command: Command, jwks: &str, assertion: &str) -> Output {
    command
        .env("ENTRADA_JWKS_URL", jwks)
        .env("ENTRADA_ISSUER", ISSUER)
        .env("ENTRADA_AUDIENCE", AUDIENCE);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses early may not read on.
    let _ = child.stdin.take().unwrap().write_all(assertion.as_bytes());
    child.wait_with_output().unwrap()
}

fn keys(secret: &str) -> SigningKeys {
    SigningKeys::new(&Keyring::new(&[Secret::new(secret)], &random::system())).unwrap()
}

fn claims() -> Value {
    let now = Clock::system().now();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "8f1c4b3e-0000-4000-8000-000000000001.8f1c4b3e-0000-4000-8000-000000000002", "name": "Zoë Łukasik 王",
        "roles": ["Admin", "Reader"], "groups": [], "iat": now, "nbf": now, "exp": now + 300, "jti": "one"
    })
}

fn signed(keys: &SigningKeys, typ: &str, claims: &Value) -> String {
    keys.sign(typ, claims.to_string().as_bytes()).unwrap()
}

/// Assertions that must not pass, each with what is wrong with it.
fn bad(keys: &SigningKeys) -> Vec<(&'static str, String)> {
    let now = Clock::system().now();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signed(keys, "entrada+jwt", &claims)
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        signed(keys, "entrada+jwt", &claims)
    };
    let good = signed(keys, "entrada+jwt", &claims());
    let [header, body, signature] =
        <[&str; 3]>::try_from(good.split('.').collect::<Vec<_>>()).unwrap();
    let swapped = URL_SAFE_NO_PAD.encode(json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody else", "nbf": now, "exp": now + 300}).to_string());
    vec![
        ("another audience", with("aud", json!("https://other.example.com"))),
        ("another issuer", with("iss", json!("https://other.example.com"))),
        ("an old one", with("exp", json!(now - 60))),
        ("one from the future", with("nbf", json!(now + 60))),
        ("one that never ends", without("exp")),
        ("one that begins at no time", without("nbf")),
        ("one for no audience", without("aud")),
        ("one by no issuer", without("iss")),
        ("another kind of token", signed(keys, "JWT", &claims())),
        (
            "a key of somebody else",
            signed(
                &crate::verify::keys("another secret of thirty-two bytes!"),
                "entrada+jwt",
                &claims(),
            ),
        ),
        ("a key of somebody else under our id", under_our_id(keys)),
        ("other claims under the same signature", format!("{header}.{swapped}.{signature}")),
        ("no signature", format!("{header}.{body}.")),
        ("algorithm none", unsigned(keys)),
        ("a signature made with the public key as a password", by_password(keys)),
        ("no token at all", "not a token".to_owned()),
        ("nothing", String::new()),
    ]
}

fn under_our_id(keys: &SigningKeys) -> String {
    let other = crate::verify::keys("another secret of thirty-two bytes!");
    let theirs = signed(&other, "entrada+jwt", &claims());
    let header = URL_SAFE_NO_PAD
        .encode(json!({"alg": "ES256", "typ": "entrada+jwt", "kid": keys.kid()}).to_string());
    format!("{header}.{}", theirs.split_once('.').unwrap().1)
}

fn unsigned(keys: &SigningKeys) -> String {
    let part = |it: Value| URL_SAFE_NO_PAD.encode(it.to_string());
    format!(
        "{}.{}.",
        part(json!({"alg": "none", "typ": "entrada+jwt", "kid": keys.kid()})),
        part(claims())
    )
}

/// RFC 8725 2.1: HS256 with what everybody knows.
fn by_password(keys: &SigningKeys) -> String {
    let part = |it: Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let jwks: Value = serde_json::from_str(keys.jwks()).unwrap();
    let coordinate =
        |name: &str| URL_SAFE_NO_PAD.decode(jwks["keys"][0][name].as_str().unwrap()).unwrap();
    let point = [&[4][..], &coordinate("x"), &coordinate("y")].concat();
    let signed = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "typ": "entrada+jwt", "kid": keys.kid()})),
        part(claims())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &point), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Publishes the keys on loopback for as long as the test runs; gives the address.
fn serve(jwks: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/oauth2/jwks.json", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{jwks}",
        jwks.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|it| it.is_ok_and(|it| !it.is_empty())) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}
