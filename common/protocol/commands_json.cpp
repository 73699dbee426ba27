#include <nlohmann/json.hpp>

#include "common/protocol/commands.h"
#include "common/protocol/fields.h"
#include "common/protocol/model_json.h"

namespace pmx::protocol {

void to_json(Json& json, const Ping::Request&) { json = Json::object(); }
void from_json(const Json&, Ping::Request&) {}

void to_json(Json& json, const Ping::Response& value) {
  json = {{"version", value.version},
          {"protocol", value.protocol},
          {"daemon_pid", value.daemon_pid},
          {"keeper_pid", value.keeper_pid}};
}
void from_json(const Json& json, Ping::Response& value) {
  Fields(json)
      .required("version", value.version)
      .required("protocol", value.protocol)
      .optional("daemon_pid", value.daemon_pid)
      .optional("keeper_pid", value.keeper_pid);
}

void to_json(Json& json, const UnitStore::Request&) { json = Json::object(); }
void from_json(const Json&, UnitStore::Request&) {}

void to_json(Json& json, const UnitStore::Response&) { json = Json::object(); }
void from_json(const Json&, UnitStore::Response&) {}

void to_json(Json& json, const Start::Request& value) {
  json = {{"apps", value.apps},
          {"force", value.force},
          {"replace", value.replace},
          {"autostart", value.autostart},
          {"wait", value.wait}};
}
void from_json(const Json& json, Start::Request& value) {
  // One by one: an error inside an app keeps its own words.
  const auto apps = json.find("apps");
  if (apps == json.end() || !apps->is_array())
    throw Error(ErrorCode::invalid_request, "field \"apps\": expected a list");
  for (const Json& app : *apps) from_json(app, value.apps.emplace_back());
  Fields(json)
      .optional("force", value.force)
      .optional("replace", value.replace)
      .optional("autostart", value.autostart)
      .optional("wait", value.wait);
}

void to_json(Json& json, const Start::Outcome& value) {
  json = {{"name", value.name}, {"restarted", value.restarted}, {"instances", value.instances}};
  if (!value.error.empty()) json["error"] = value.error;
  if (!value.hint.empty()) json["hint"] = value.hint;
}
void from_json(const Json& json, Start::Outcome& value) {
  Fields(json)
      .required("name", value.name)
      .optional("error", value.error)
      .optional("hint", value.hint)
      .optional("restarted", value.restarted)
      .optional("instances", value.instances);
}

void to_json(Json& json, const Start::Response& value) { json = {{"outcomes", value.outcomes}}; }
void from_json(const Json& json, Start::Response& value) {
  Fields(json).required("outcomes", value.outcomes);
}

void to_json(Json& json, const Apply::Change& value) {
  json = {{"spec", value.spec}, {"effect", to_string(value.effect)}};
  if (!value.renames.empty()) json["renames"] = value.renames;
}
void from_json(const Json& json, Apply::Change& value) {
  Fields(json).named("effect", value.effect, effect_from).optional("renames", value.renames);
  const auto spec = json.find("spec");
  if (spec == json.end()) throw Error(ErrorCode::invalid_request, "field \"spec\" is missing");
  from_json(*spec, value.spec);
}

void to_json(Json& json, const Apply::Request& value) {
  json = {{"changes", value.changes},
          {"remove", value.remove},
          {"autostart", value.autostart},
          {"wait", value.wait}};
  if (value.parallel) json["parallel"] = *value.parallel;
  if (value.rollback) json["rollback"] = *value.rollback;
}
void from_json(const Json& json, Apply::Request& value) {
  const auto changes = json.find("changes");
  if (changes == json.end() || !changes->is_array())
    throw Error(ErrorCode::invalid_request, "field \"changes\": expected a list");
  for (const Json& change : *changes) from_json(change, value.changes.emplace_back());
  Fields(json)
      .optional("remove", value.remove)
      .optional("autostart", value.autostart)
      .optional("wait", value.wait)
      .optional("parallel", value.parallel)
      .optional("rollback", value.rollback);
}

void to_json(Json& json, const TargetRequest& value) { json = {{"target", value.target}}; }
void from_json(const Json& json, TargetRequest& value) {
  Fields(json).required("target", value.target);
}

void to_json(Json& json, const ActedResponse& value) {
  json = {{"instances", value.instances}, {"notes", value.notes}};
}
void from_json(const Json& json, ActedResponse& value) {
  Fields(json).required("instances", value.instances).optional("notes", value.notes);
}

namespace {

template <class Request>
void write_env_request(Json& json, const Request& value) {
  json = {{"target", value.target}};
  if (value.env) json["env"] = env_json(*value.env);
}

template <class Request>
void read_env_request(const Json& json, Request& value) {
  Fields(json).required("target", value.target);
  const auto env = json.find("env");
  if (env != json.end()) value.env = env_from(*env);
}

}  // namespace

void to_json(Json& json, const Restart::Request& value) {
  write_env_request(json, value);
  json["wait"] = value.wait;
}
void from_json(const Json& json, Restart::Request& value) {
  read_env_request(json, value);
  Fields(json).optional("wait", value.wait);
}

void to_json(Json& json, const Reload::Request& value) {
  write_env_request(json, value);
  if (value.parallel) json["parallel"] = *value.parallel;
  if (value.rollback) json["rollback"] = *value.rollback;
}
void from_json(const Json& json, Reload::Request& value) {
  read_env_request(json, value);
  Fields(json).optional("parallel", value.parallel).optional("rollback", value.rollback);
  if (value.parallel && *value.parallel < 1)
    throw Error(ErrorCode::invalid_request, "\"parallel\" must be at least 1");
}

void to_json(Json& json, const List::Request& value) {
  json = {{"detail", value.detail}, {"follow", value.follow}};
  if (value.target) json["target"] = *value.target;
}
void from_json(const Json& json, List::Request& value) {
  Fields(json)
      .optional("target", value.target)
      .optional("detail", value.detail)
      .optional("follow", value.follow);
}

void to_json(Json& json, const List::Response& value) {
  json = {{"instances", value.instances}};
  if (!value.problem.empty()) json["problem"] = value.problem;
}
void from_json(const Json& json, List::Response& value) {
  Fields(json).required("instances", value.instances).optional("problem", value.problem);
}

void to_json(Json& json, const Logs::Request& value) {
  json = {{"follow", value.follow}, {"events", value.events}, {"messages", value.messages}};
  if (value.target) json["target"] = *value.target;
}
void from_json(const Json& json, Logs::Request& value) {
  Fields(json)
      .optional("target", value.target)
      .optional("follow", value.follow)
      .optional("events", value.events)
      .optional("messages", value.messages);
}

void to_json(Json& json, const Logs::File& value) {
  json = {
      {"pm_id", value.pm_id}, {"name", value.name}, {"stream", value.stream}, {"path", value.path}};
  if (!value.date_format.empty()) json["date_format"] = value.date_format;
  if (value.json) json["json"] = true;
  if (!value.name_space.empty()) json["namespace"] = value.name_space;
}
void from_json(const Json& json, Logs::File& value) {
  Fields(json)
      .required("pm_id", value.pm_id)
      .required("name", value.name)
      .required("stream", value.stream)
      .required("path", value.path)
      .optional("date_format", value.date_format)
      .optional("json", value.json)
      .optional("namespace", value.name_space);
}

void to_json(Json& json, const Logs::Response& value) { json = {{"files", value.files}}; }
void from_json(const Json& json, Logs::Response& value) {
  Fields(json).required("files", value.files);
}

void to_json(Json& json, const Logs::Event& value) {
  json = {{"pm_id", value.pm_id}, {"name", value.name}, {"event", value.event}, {"at", value.at}};
  if (!value.name_space.empty()) json["namespace"] = value.name_space;
  if (!value.reason.empty()) json["reason"] = value.reason;
  if (value.by_operator) json["by_operator"] = true;
  if (!value.message.empty()) json["message"] = value.message;
  if (value.instance) json["instance"] = *value.instance;
}
void from_json(const Json& json, Logs::Event& value) {
  Fields(json)
      .required("pm_id", value.pm_id)
      .required("name", value.name)
      .required("event", value.event)
      .optional("at", value.at)
      .optional("namespace", value.name_space)
      .optional("reason", value.reason)
      .optional("by_operator", value.by_operator)
      .optional("message", value.message)
      .optional("instance", value.instance);
}

void to_json(Json& json, const Logs::Events& value) {
  json = {{"events", value.events}, {"missed", value.missed}};
}
void from_json(const Json& json, Logs::Events& value) {
  Fields(json).required("events", value.events).optional("missed", value.missed);
}

void to_json(Json& json, const Flush::Request& value) {
  json = Json::object();
  if (value.target) json["target"] = *value.target;
}
void from_json(const Json& json, Flush::Request& value) {
  Fields(json).optional("target", value.target);
}

void to_json(Json& json, const Flush::Response& value) { json = {{"files", value.files}}; }
void from_json(const Json& json, Flush::Response& value) {
  Fields(json).required("files", value.files);
}

void to_json(Json& json, const ReloadLogs::Request&) { json = Json::object(); }
void from_json(const Json&, ReloadLogs::Request&) {}
void to_json(Json& json, const ReloadLogs::Response&) { json = Json::object(); }
void from_json(const Json&, ReloadLogs::Response&) {}

void to_json(Json& json, const Scale::Request& value) {
  json = {{"name", value.name}, {"count", value.count}, {"relative", value.relative}};
}
void from_json(const Json& json, Scale::Request& value) {
  Fields(json)
      .required("name", value.name)
      .required("count", value.count)
      .optional("relative", value.relative);
}

void to_json(Json& json, const Scale::Response& value) {
  json = {{"added", value.added}, {"removed", value.removed}, {"instances", value.instances}};
}
void from_json(const Json& json, Scale::Response& value) {
  Fields(json)
      .required("added", value.added)
      .required("removed", value.removed)
      .required("instances", value.instances);
}

void to_json(Json& json, const Signal::Request& value) {
  json = {{"target", value.target}, {"signal", value.signal}};
}
void from_json(const Json& json, Signal::Request& value) {
  Fields(json).required("target", value.target).required("signal", value.signal);
}

void to_json(Json& json, const Trigger::Request& value) {
  json = {{"target", value.target}, {"action", value.action}, {"timeout", value.timeout.count()}};
  if (value.param) json["param"] = *value.param;
}
void from_json(const Json& json, Trigger::Request& value) {
  Fields(json)
      .required("target", value.target)
      .required("action", value.action)
      .optional("param", value.param)
      .optional("timeout", value.timeout);
}

void to_json(Json& json, const Trigger::Answer& value) {
  json = {{"pm_id", value.pm_id}, {"name", value.name}, {"namespace", value.name_space}};
  if (value.error.empty()) {
    json["json"] = value.json;
  } else {
    json["error"] = value.error;
  }
}
void from_json(const Json& json, Trigger::Answer& value) {
  Fields(json)
      .required("pm_id", value.pm_id)
      .required("name", value.name)
      .optional("namespace", value.name_space)
      .optional("json", value.json)
      .optional("error", value.error);
}

void to_json(Json& json, const Trigger::Response& value) { json = {{"answers", value.answers}}; }
void from_json(const Json& json, Trigger::Response& value) {
  Fields(json).required("answers", value.answers);
}

void to_json(Json& json, const Send::Request& value) {
  json = {{"target", value.target}};
  if (!value.input.empty()) json["input"] = bytes_json(value.input);
  if (!value.message.empty()) json["message"] = value.message;
}
void from_json(const Json& json, Send::Request& value) {
  Fields(json).required("target", value.target).optional("message", value.message);
  const auto input = json.find("input");
  if (input != json.end()) value.input = bytes_from(*input, "input");
}

void to_json(Json& json, const Kill::Request&) { json = Json::object(); }
void from_json(const Json&, Kill::Request&) {}

void to_json(Json& json, const Kill::Response& value) {
  json = {{"daemon_pid", value.daemon_pid},
          {"keeper_pid", value.keeper_pid},
          {"stopped", value.stopped}};
}
void from_json(const Json& json, Kill::Response& value) {
  Fields(json)
      .required("daemon_pid", value.daemon_pid)
      .required("keeper_pid", value.keeper_pid)
      .optional("stopped", value.stopped);
}

void to_json(Json& json, const Progress& value) {
  json = {{"pm_id", value.pm_id}, {"name", value.name}, {"text", value.text}};
}
void from_json(const Json& json, Progress& value) {
  Fields(json)
      .required("pm_id", value.pm_id)
      .required("name", value.name)
      .required("text", value.text);
}

}  // namespace pmx::protocol
