//! `gateway reload`, `gateway set` and `gateway unset`: change a running gateway.

use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::{CommandError, Target, differences};

/// What a segment of a path is not written with.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Flags of `reload`.
#[derive(Clone, Debug, clap::Args)]
pub struct Reload {
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
}

/// Flags of `set`.
#[derive(Clone, Debug, clap::Args)]
pub struct Set {
    /// The key as the file has it, with dots: page.product-page.max_wait.
    pub key: String,
    /// Its value, as a variable would hold it: 20ms.
    pub value: String,
    /// For how long, from 1s to 24h; then the key is again what the file says.
    #[arg(long = "for")]
    pub lasts: String,
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
}

/// Flags of `unset`.
#[derive(Clone, Debug, clap::Args)]
pub struct Unset {
    /// The key whose override ends now.
    pub key: String,
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
}

/// Has the file read again, and says what is different now.
///
/// # Errors
/// [`CommandError::Refused`] with all that is wrong; nobody answers there, or no gateway does.
pub async fn reload(flags: &Reload) -> Result<String, CommandError> {
    ask(&flags.target, Method::POST, "/reload", None).await
}

/// Overrides a key for a while.
///
/// # Errors
/// As [`reload`].
pub async fn set(flags: &Set) -> Result<String, CommandError> {
    let body = json!({"value": flags.value, "for": flags.lasts});
    let said = ask(&flags.target, Method::PUT, &path(&flags.key), Some(&body)).await?;
    Ok(format!(
        "{said}ends by itself in {}, or with `gateway unset {}`\n",
        flags.lasts, flags.key
    ))
}

/// Ends an override.
///
/// # Errors
/// As [`reload`].
pub async fn unset(flags: &Unset) -> Result<String, CommandError> {
    ask(&flags.target, Method::DELETE, &path(&flags.key), None).await
}

fn path(key: &str) -> String {
    format!("/overrides/{}", utf8_percent_encode(key, RESERVED))
}

async fn ask(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<String, CommandError> {
    let client = Client::new(target)?;
    let answer = client.ask(method, path, body).await?;
    let json = serde_json::from_str::<Value>(&answer.body);
    match (answer.status, json) {
        (StatusCode::OK, Ok(json)) => Ok(made(&json)),
        (_, Ok(json)) if json["text"].is_string() => {
            let text = json["text"].as_str().unwrap_or_default();
            Err(CommandError::Refused(text.to_owned()))
        }
        _ => Err(not_understood(&client, path, &answer)),
    }
}

/// What a gateway of another version may say.
fn not_understood(client: &Client, path: &str, answer: &Answer) -> CommandError {
    let first = answer.body.lines().next().unwrap_or_default();
    client.unexpected(path, format!("{}: {first}", answer.status))
}

fn made(json: &Value) -> String {
    let all = json["differences"].as_array().map(Vec::as_slice);
    let mut text = match all.unwrap_or_default() {
        [] => "nothing is different\n".to_owned(),
        all => differences::lines(all),
    };
    for key in json["dropped_overrides"].as_array().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        text +=
            &format!("the override of {key} has ended: the configuration cannot be used with it\n");
    }
    text
}
