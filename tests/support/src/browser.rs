//! A headless Chromium, driven through its ChromeDriver by the WebDriver protocol: enough of
//! it to look at a page, click, type, and hear what its console says.

#![allow(clippy::indexing_slicing, reason = "a JSON value that is only read gives null instead")]

use std::{env, path::PathBuf, time::Duration};

use base64::Engine as _;
use eyre::{OptionExt as _, Result, WrapErr as _, bail, ensure, eyre};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{KeeperCommand, KeeperProcess, free_port, install_crypto_provider, wait_until};

/// The variable that names the driver, and its names on the search path.
const DRIVER: (&str, &[&str]) = ("CHROMEDRIVER", &["chromedriver"]);
/// The same for the browser.
const BROWSER: (&str, &[&str]) = ("CHROME", &["chromium", "chromium-browser", "google-chrome"]);
/// Starting a browser on a busy machine.
const START: Duration = Duration::from_secs(60);
/// What keeps Chromium from talking to anyone but the page's server.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// Where a program is: what its variable names, or the first of its names on the search path.
fn find((variable, names): (&str, &[&str])) -> Result<PathBuf> {
    if let Some(named) = env::var_os(variable).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        ensure!(named.is_file(), "{variable}={} is no file", named.display());
        return Ok(named);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        eyre!(
            "none of {names:?} is on the PATH: set {variable}, or run 'sudo apt-get install \
             chromium chromium-driver' (Ubuntu: chromium-browser chromium-chromedriver)"
        )
    })
}

/// A browser with one page. Dropping it ends the driver and, through [`Browser::close`], the
/// browser.
#[derive(Debug)]
pub struct Browser {
    session: String,
    client: reqwest::Client,
    /// Its group holds the browser too, and goes when this is dropped.
    driver: KeeperProcess,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// When Chromium or its driver is not installed, with the command that does; or does not start.
    pub async fn start() -> Result<Self> {
        let (driver, chrome) = (find(DRIVER)?, find(BROWSER)?);
        install_crypto_provider();
        let port = free_port()?;
        let driver = KeeperCommand::new(&driver).arg(format!("--port={port}")).start()?;
        let client = reqwest::Client::new();
        let base = format!("http://127.0.0.1:{port}");
        let status = format!("{base}/status");
        wait_until("chromedriver", START, async || {
            let answer: Value = client.get(&status).send().await.ok()?.json().await.ok()?;
            (answer["value"]["ready"] == true).then_some(())
        })
        .await?;
        let profile = driver.dir().join("profile");
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        // Chromium refuses its sandbox to root, which is who runs in a container.
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chrome, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer =
            request(&client, Method::POST, &format!("{base}/session"), Some(wanted)).await?;
        let id = answer["sessionId"].as_str().ok_or_eyre("a session without an id")?;
        Ok(Self { session: format!("{base}/session/{id}"), client, driver })
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Errors
    /// When the browser does not answer; so for all that follow.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.map(drop)
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression of the page is true in the sense of JavaScript, and gives it.
    ///
    /// # Errors
    /// When it is not by then: with the console's errors.
    pub async fn wait_for(&self, expression: &str, deadline: Duration) -> Result<Value> {
        let script = format!("const value = {expression}; return value || null;");
        let waited = wait_until(expression, deadline, async || {
            let value = self.run(&script).await?;
            if value.is_null() { Err(eyre!("it is not true")) } else { Ok(value) }
        })
        .await;
        match waited {
            Ok(value) => Ok(value),
            Err(error) => {
                let console = self.console_errors().await.unwrap_or_default();
                Err(error.wrap_err(format!("console: {console:?}")))
            }
        }
    }

    /// The text of the first element that a selector finds; as one sees it.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? null;");
        let text = self.run(&script).await?;
        Ok(text.as_str().ok_or_else(|| eyre!("there is no {selector}"))?.to_owned())
    }

    /// Clicks what a selector finds, as a person does: what is hidden cannot be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.post(&format!("element/{element}/click"), json!({})).await.map(drop)
    }

    /// Types into what a selector finds.
    pub async fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await.map(drop)
    }

    /// Makes the page that large, in pixels; `phone` as a phone would.
    pub async fn resize(&self, width: u32, height: u32, phone: bool) -> Result<()> {
        let scale = if phone { 2 } else { 1 };
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone,
        });
        self.command("Emulation.setDeviceMetricsOverride", metrics).await
    }

    /// Has the page believe that the person prefers dark colours.
    pub async fn prefer_dark(&self, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await
    }

    /// What the console said at the level of an error since the last call, page errors included.
    pub async fn console_errors(&self) -> Result<Vec<String>> {
        let log = self.post("se/log", json!({ "type": "browser" })).await?;
        let entries = log.as_array().cloned().unwrap_or_default();
        let grave = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(grave.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// What is seen, as PNG.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let url = format!("{}/screenshot", self.session);
        let image = request(&self.client, Method::GET, &url, None).await?;
        let text = image.as_str().ok_or_eyre("a screenshot without content")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// Ends the browser and its driver.
    ///
    /// # Errors
    /// When they do not end.
    pub async fn close(mut self) -> Result<()> {
        request(&self.client, Method::DELETE, &self.session, None).await?;
        self.driver.terminate()?;
        self.driver.wait_exit(START).await.map(drop)
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let asked = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", asked).await?;
        let id = found.as_object().and_then(|object| object.values().next());
        Ok(id.and_then(Value::as_str).ok_or_eyre("an element without an id")?.to_owned())
    }

    async fn command(&self, name: &str, params: Value) -> Result<()> {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": params })).await.map(drop)
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let url = format!("{}/{path}", self.session);
        request(&self.client, Method::POST, &url, Some(body)).await
    }
}

async fn request(
    client: &reqwest::Client,
    method: Method,
    url: &str,
    body: Option<Value>,
) -> Result<Value> {
    let mut request = client.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.wrap_err("asking chromedriver")?;
    let ok = response.status().is_success();
    let mut answer: Value = response.json().await.wrap_err("an answer of chromedriver")?;
    let value = answer.get_mut("value").map(Value::take).unwrap_or_default();
    if !ok {
        bail!("chromedriver: {}: {}", value["error"], value["message"]);
    }
    Ok(value)
}
