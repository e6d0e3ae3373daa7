// Draws the operations of openapi.json. Text enters as text nodes only.
"use strict";

const METHODS = ["get", "put", "post", "delete", "head", "options", "patch"];

function node(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A type in words: "string", "array of KeyStatus", "integer (int64) or null". */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  for (const key of ["oneOf", "anyOf", "allOf"]) {
    if (schema[key]) return schema[key].map(typeOf).join(key === "allOf" ? " and " : " or ");
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  const names = [].concat(schema.type || "any");
  const words = names.map((name) => (name === "array" ? "array of " + typeOf(schema.items) : name));
  return words.join(" or ") + (schema.format ? " (" + schema.format + ")" : "");
}

function table(caption, heads, rows) {
  const made = node("table");
  made.append(node("caption", caption));
  const head = node("tr");
  for (const text of heads) head.append(node("th", text));
  made.append(head);
  for (const row of rows) {
    const line = node("tr");
    row.forEach((text, i) => {
      const cell = node("td");
      cell.append(i === 0 ? node("code", text) : text || "");
      line.append(cell);
    });
    made.append(line);
  }
  return made;
}

function content(body) {
  return Object.entries((body && body.content) || {}).map(([type, media]) => type + ": " + typeOf(media.schema)).join("; ");
}

function operation(path, method, what) {
  const made = node("details");
  const summary = node("summary");
  summary.append(node("span", method.toUpperCase(), "method"), node("span", path, "path"));
  summary.append(node("span", what.summary || what.description || "", "summary"));
  made.append(summary);
  if (what.description && what.description !== what.summary) made.append(node("p", what.description));
  made.append(node("p", what.security ? "Wants a token: Authorization: Bearer TOKEN." : "Open to everyone."));
  const parameters = what.parameters || [];
  if (parameters.length > 0) {
    const row = (p) => [p.name, p.in + (p.required ? ", required" : ""), typeOf(p.schema), p.description];
    made.append(table("Parameters", ["name", "where", "type", "meaning"], parameters.map(row)));
  }
  if (what.requestBody) {
    made.append(table("Body", ["type", "meaning"], [[content(what.requestBody), what.requestBody.description]]));
  }
  const answers = Object.entries(what.responses || {}).map(([status, r]) => [status, content(r), r.description]);
  made.append(table("Answers", ["status", "type", "meaning"], answers));
  return made;
}

function schemas(all) {
  return Object.entries(all || {}).map(([name, schema]) => {
    const made = node("details");
    made.id = "schema-" + name;
    made.append(node("summary", name));
    if (schema.description) made.append(node("p", schema.description));
    const required = new Set(schema.required || []);
    const row = ([field, of]) => [field, typeOf(of) + (required.has(field) ? "" : ", optional"), of.description];
    const fields = Object.entries(schema.properties || {}).map(row);
    if (fields.length > 0) made.append(table("Fields", ["name", "type", "meaning"], fields));
    else made.append(node("p", typeOf(schema)));
    return made;
  });
}

function section(title, parts) {
  const id = "section-" + title.replace(/\W+/g, "-").toLowerCase();
  const heading = node("h2", title);
  heading.id = id;
  document.getElementById("operations").append(heading, ...parts);
  const link = node("a", title);
  link.href = "#" + id;
  document.getElementById("contents").append(link);
}

function draw(api) {
  document.getElementById("title").textContent = api.info.title + " " + api.info.version;
  document.getElementById("description").textContent = api.info.description || "";
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      const tag = (methods[method].tags || ["other"])[0];
      groups.set(tag, (groups.get(tag) || []).concat(operation(path, method, methods[method])));
    }
  }
  for (const [tag, parts] of groups) section(tag, parts);
  section("Bodies", schemas((api.components || {}).schemas));
}

fetch("../openapi.json")
  .then((answer) => {
    if (!answer.ok) throw new Error("status " + answer.status);
    return answer.json();
  })
  .then(draw)
  .catch((error) => {
    document.getElementById("description").textContent = "openapi.json cannot be read: " + error.message;
  });
