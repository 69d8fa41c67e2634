//! The page that people read: both documents as one HTML text without a script, without anything to load.
//!
//! Must not know any path or frame by name; what it shows stands in the documents.

mod schema;

use serde_json::{Map, Value};

use schema::{example, fields};

/// All of its style.
pub const STYLE: &str = include_str!("page.css");

/// The page.
pub fn html(openapi: &Value, asyncapi: &Value) -> String {
    let mut out = Html::default();
    out.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
    out.text(text(&openapi["info"]["title"]));
    out.raw("</title><style>").raw(STYLE).raw("</style></head><body>");
    contents(openapi, asyncapi, &mut out);
    out.raw("<main><header><h1>").text(text(&openapi["info"]["title"])).raw(" <small>");
    out.text(text(&openapi["info"]["version"])).raw("</small></h1>");
    out.raw("<p class=\"files\"><a href=\"/openapi.json\">openapi.json</a> (OpenAPI ");
    out.text(text(&openapi["openapi"])).raw(") <a href=\"/asyncapi.json\">asyncapi.json</a> (AsyncAPI ");
    out.text(text(&asyncapi["asyncapi"])).raw(")</p>");
    out.prose(&openapi["info"]["description"]);
    schemes(&openapi["components"]["securitySchemes"], &mut out);
    out.raw("</header>");
    for tag in entries(&openapi["tags"]) {
        section(openapi, tag, &mut out);
    }
    out.raw("<section id=\"websockets\"><h2>WebSockets</h2>").prose(&asyncapi["info"]["description"]).raw("</section>");
    for (name, channel) in object(&asyncapi["channels"]) {
        socket(asyncapi, name, channel, &mut out);
    }
    out.raw("</main></body></html>\n");
    out.0
}

/// The text under way.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Words, which are no markup.
    pub fn text(&mut self, words: &str) -> &mut Self {
        for c in words.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// A line of words in which `code` stands between backquotes.
    pub fn line(&mut self, words: &str) -> &mut Self {
        for (index, part) in words.split('`').enumerate() {
            if index % 2 == 1 {
                self.raw("<code>").text(part).raw("</code>");
            } else {
                self.text(part);
            }
        }
        self
    }

    /// Paragraphs, and lists whose lines begin with `- `.
    pub fn prose(&mut self, words: &Value) -> &mut Self {
        for paragraph in text(words).split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            if paragraph.starts_with("- ") {
                self.raw("<ul>");
                for entry in paragraph.split("\n- ") {
                    self.raw("<li>").line(entry.trim_start_matches("- ")).raw("</li>");
                }
                self.raw("</ul>");
            } else {
                self.raw("<p>").line(paragraph).raw("</p>");
            }
        }
        self
    }

    fn sample(&mut self, label: &str, value: &Value) -> &mut Self {
        let shown = match value {
            Value::String(text) => text.clone(),
            value => serde_json::to_string_pretty(value).expect("a value is JSON"),
        };
        self.raw("<figure><figcaption>").line(label).raw("</figcaption><pre>").text(&shown).raw("</pre></figure>")
    }
}

/// Words, or none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The fields of an object, or none.
pub fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The entries of a list, or none.
pub fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What a reference points to; what is none is itself.
pub fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
    let pointer = reference.strip_prefix('#').expect("references stay in the document");
    document.pointer(pointer).unwrap_or_else(|| panic!("nothing at {reference}"))
}

fn contents(openapi: &Value, asyncapi: &Value, out: &mut Html) {
    out.raw("<nav><p class=\"home\"><a href=\"#\">").text(text(&openapi["info"]["title"])).raw("</a></p>");
    for tag in entries(&openapi["tags"]) {
        out.raw("<p><a href=\"#").text(&anchor(text(&tag["name"]))).raw("\">").text(text(&tag["name"]));
        out.raw("</a></p><ul>");
        for (path, method, operation) in operations(openapi, text(&tag["name"])) {
            out.raw("<li><a href=\"#").text(text(&operation["operationId"])).raw("\"><b class=\"").text(method);
            out.raw("\">").text(&method.to_uppercase()).raw("</b> ").text(path).raw("</a></li>");
        }
        out.raw("</ul>");
    }
    out.raw("<p><a href=\"#websockets\">WebSockets</a></p>");
    for (name, channel) in object(&asyncapi["channels"]) {
        out.raw("<p><a href=\"#ws-").text(name).raw("\">").text(name).raw(" ").text(text(&channel["address"]));
        out.raw("</a></p><ul>");
        for (short, message) in messages(asyncapi, channel) {
            out.raw("<li><a href=\"#").text(&format!("ws-{name}-{short}")).raw("\">").text(arrow(message)).raw(" ");
            out.text(text(&message["title"])).raw("</a></li>");
        }
        out.raw("</ul>");
    }
    out.raw("</nav>");
}

fn anchor(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

fn operations<'d>(openapi: &'d Value, tag: &'d str) -> impl Iterator<Item = (&'d str, &'d str, &'d Value)> {
    object(&openapi["paths"]).flat_map(move |(path, item)| {
        // Under its first tag: an article stands once.
        let tagged = move |operation: &&Value| operation["tags"][0] == tag;
        object(item)
            .filter(move |(_, operation)| tagged(operation))
            .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn schemes(schemes: &Value, out: &mut Html) {
    out.raw("<h3>Who asks</h3><table><thead><tr><th>Name<th>How</tr></thead><tbody>");
    for (name, scheme) in object(schemes) {
        out.raw("<tr><td><code>").text(name).raw("</code><td>").line(text(&scheme["description"])).raw("</tr>");
    }
    out.raw("</tbody></table>");
}

fn section(openapi: &Value, tag: &Value, out: &mut Html) {
    let name = text(&tag["name"]);
    out.raw("<section id=\"").text(&anchor(name)).raw("\"><h2>").text(name).raw("</h2>").prose(&tag["description"]);
    for (path, method, operation) in operations(openapi, name) {
        out.raw("<article id=\"")
            .text(text(&operation["operationId"]))
            .raw("\"><h3><b class=\"")
            .text(method)
            .raw("\">");
        out.text(&method.to_uppercase()).raw("</b> <code>").text(path).raw("</code></h3><p class=\"summary\">");
        out.line(text(&operation["summary"])).raw("</p>").prose(&operation["description"]);
        security(operation, out);
        parameters(openapi, operation, out);
        body(openapi, operation, out);
        responses(openapi, operation, out);
        out.raw("</article>");
    }
    out.raw("</section>");
}

fn security(operation: &Value, out: &mut Html) {
    let Some(ways) = operation["security"].as_array().filter(|ways| !ways.is_empty()) else { return };
    out.raw("<p class=\"who\">Authorization: ");
    for (index, way) in ways.iter().enumerate() {
        out.raw(if index > 0 { " or " } else { "" });
        match object(way).next() {
            Some((name, _)) => out.raw("<code>").text(name).raw("</code>"),
            None => out.raw("none"),
        };
    }
    out.raw("</p>");
}

fn parameters(openapi: &Value, operation: &Value, out: &mut Html) {
    let mut parameters = entries(&operation["parameters"]).map(|parameter| resolved(openapi, parameter)).peekable();
    if parameters.peek().is_none() {
        return;
    }
    out.raw("<h4>Parameters</h4><table><thead><tr><th>Name<th>In<th>Type<th>Meaning</tr></thead><tbody>");
    for parameter in parameters {
        out.raw("<tr><td><code>").text(text(&parameter["name"])).raw("</code>");
        if parameter["required"] == true {
            out.raw(" <em>required</em>");
        }
        extension(parameter, out);
        out.raw("<td>").text(text(&parameter["in"])).raw("<td>");
        out.line(&schema::kind(openapi, &parameter["schema"]))
            .raw("<td>")
            .line(text(&parameter["description"]))
            .raw("</tr>");
    }
    out.raw("</tbody></table>");
}

fn extension(described: &Value, out: &mut Html) {
    if described["x-extension"] == true {
        out.raw(" <i class=\"ext\">extension</i>");
    }
    if described["x-needs-ext"] == true {
        out.raw(" <i class=\"ext\">only with ext=1</i>");
    }
}

fn body(openapi: &Value, operation: &Value, out: &mut Html) {
    for (content_type, media) in object(&resolved(openapi, &operation["requestBody"])["content"]) {
        out.raw("<h4>Body <small>").text(content_type).raw("</small></h4>");
        content(openapi, media, out);
    }
}

fn content(document: &Value, media: &Value, out: &mut Html) {
    fields(document, &media["schema"], out);
    let mut shown = false;
    if let Some(value) = media.get("example") {
        out.sample("Example", value);
        shown = true;
    }
    for (name, given) in object(&media["examples"]) {
        out.sample(given["summary"].as_str().unwrap_or(name), &given["value"]);
        shown = true;
    }
    if !shown && let Some(value) = example(document, &media["schema"]) {
        out.sample("Example", &value);
    }
}

fn responses(openapi: &Value, operation: &Value, out: &mut Html) {
    out.raw("<h4>Answers</h4>");
    for (status, response) in object(&operation["responses"]) {
        let response = resolved(openapi, response);
        let good = status.starts_with(['1', '2', '3']);
        out.raw(if good { "<details class=\"good\"" } else { "<details class=\"bad\"" });
        out.raw(if status.starts_with('2') { " open>" } else { ">" }).raw("<summary><b>").text(status).raw("</b> ");
        out.line(text(&response["description"])).raw("</summary>");
        for (name, header) in object(&response["headers"]) {
            let header = resolved(openapi, header);
            out.raw("<p>Header <code>").text(name).raw("</code>: ").line(text(&header["description"])).raw("</p>");
        }
        for (content_type, media) in object(&response["content"]) {
            out.raw("<p class=\"media\">").text(content_type).raw("</p>");
            content(openapi, media, out);
        }
        out.raw("</details>");
    }
}

fn arrow(message: &Value) -> &'static str {
    if message["x-direction"] == "receive" { "→" } else { "←" }
}

fn messages<'d>(asyncapi: &'d Value, channel: &'d Value) -> impl Iterator<Item = (&'d String, &'d Value)> {
    object(&channel["messages"]).map(|(name, message)| (name, resolved(asyncapi, message)))
}

fn socket(asyncapi: &Value, name: &str, channel: &Value, out: &mut Html) {
    out.raw("<section id=\"ws-").text(name).raw("\"><h2>").text(text(&channel["title"])).raw(" <code>");
    out.text(text(&channel["address"])).raw("</code></h2>").prose(&channel["description"]);
    let empty = Map::new();
    let query = &channel["bindings"]["ws"]["query"];
    if query["properties"].as_object().unwrap_or(&empty).iter().next().is_some() {
        out.raw("<h4>Query of the upgrade</h4>");
        fields(asyncapi, query, out);
    }
    for (parameter, described) in object(&channel["parameters"]) {
        out.raw("<p><code>{").text(parameter).raw("}</code>: ").line(text(&described["description"])).raw("</p>");
    }
    out.raw("<table><thead><tr><th>Frame<th>Direction<th>Meaning</tr></thead><tbody>");
    for (short, message) in messages(asyncapi, channel) {
        out.raw("<tr><td><a href=\"#").text(&format!("ws-{name}-{short}")).raw("\">").text(text(&message["title"]));
        out.raw("</a>");
        extension(message, out);
        out.raw("<td>").text(direction(message)).raw("<td>").line(text(&message["summary"])).raw("</tr>");
    }
    out.raw("</tbody></table>");
    for (short, message) in messages(asyncapi, channel) {
        frame(asyncapi, (name, short), message, out);
    }
    out.raw("</section>");
}

fn direction(message: &Value) -> &'static str {
    if message["x-direction"] == "receive" { "client → server" } else { "server → client" }
}

fn frame(asyncapi: &Value, (channel, name): (&str, &str), message: &Value, out: &mut Html) {
    out.raw("<article id=\"").text(&format!("ws-{channel}-{name}")).raw("\"><h3><b class=\"");
    out.raw(if message["x-direction"] == "receive" { "up" } else { "down" }).raw("\">").text(direction(message));
    out.raw("</b> <code>").text(text(&message["title"])).raw("</code>");
    extension(message, out);
    out.raw("</h3><p class=\"summary\">").line(text(&message["summary"])).raw("</p>").prose(&message["description"]);
    let mut answers = entries(&message["x-answers"]).map(text).peekable();
    if answers.peek().is_some() {
        out.raw("<p class=\"who\">Answered by ");
        for (index, answer) in answers.enumerate() {
            out.raw(if index > 0 { ", " } else { "" });
            out.raw("<a href=\"#").text(&format!("ws-{channel}-{answer}")).raw("\">").text(answer).raw("</a>");
        }
        out.raw("</p>");
    }
    fields(asyncapi, &message["payload"], out);
    for given in entries(&message["examples"]) {
        out.sample(given["summary"].as_str().unwrap_or("Example"), &given["payload"]);
    }
    out.raw("</article>");
}
