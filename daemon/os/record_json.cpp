#include "daemon/os/record_json.h"

#include <nlohmann/json.hpp>

#include "common/protocol/fields.h"
#include "common/protocol/model_json.h"

namespace pmx {

using nlohmann::json;

namespace {

// while the daemon runs).
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string text_of(const AppSpec& spec) { return dump(json(spec)); }

AppSpec spec_from_text(const std::string& text) { return json::parse(text).get<AppSpec>(); }

namespace {

json json_of(const InstanceRecord& record) {
  json out{{"pm_id", record.pm_id},
           {"app_id", record.app_id},
           {"number", record.number},
           {"unique_id", record.unique_id},
           {"wanted", record.wanted},
           {"by_operator", record.by_operator},
           {"state", to_string(record.state)},
           {"reason", record.reason},
           {"restarts", record.restarts},
           {"unstable_restarts", record.unstable_restarts},
           {"backoff", record.backoff.count()},
           {"created_at", record.created_at},
           {"started_at", record.started_at},
           {"generation", record.generation},
           {"pid", record.pid},
           {"start_time", record.start_time},
           {"boot_id", record.boot_id}};
  if (record.last_exit) out["last_exit"] = *record.last_exit;
  if (!record.granted.empty()) out["granted"] = record.granted;
  if (record.restart_due) out["restart_due"] = *record.restart_due;
  if (record.run_waits) out["run_waits"] = true;
  if (record.settled) out["settled"] = *record.settled;
  if (!record.actions.empty()) out["actions"] = record.actions;
  return out;
}

InstanceRecord record_from(const json& in) {
  InstanceRecord record;
  protocol::Fields(in)
      .required("pm_id", record.pm_id)
      .required("app_id", record.app_id)
      .required("unique_id", record.unique_id)
      .optional("number", record.number)
      .optional("wanted", record.wanted)
      .optional("by_operator", record.by_operator)
      .named("state", record.state, instance_state_from)
      .optional("reason", record.reason)
      .optional("restarts", record.restarts)
      .optional("unstable_restarts", record.unstable_restarts)
      .optional("backoff", record.backoff)
      .optional("created_at", record.created_at)
      .optional("started_at", record.started_at)
      .optional("generation", record.generation)
      .optional("pid", record.pid)
      .optional("start_time", record.start_time)
      .optional("boot_id", record.boot_id)
      .optional("last_exit", record.last_exit)
      .optional("granted", record.granted)
      .optional("restart_due", record.restart_due)
      .optional("run_waits", record.run_waits)
      .optional("settled", record.settled)
      .optional("actions", record.actions);
  return record;
}

}  // namespace

std::string text_of(const InstanceRecord& record) { return dump(json_of(record)); }

InstanceRecord record_from_text(const std::string& text) { return record_from(json::parse(text)); }

std::string text_of(const RecordChanges& changes) {
  json apps = json::array();
  for (const auto& [id, record] : changes.apps)
    apps.push_back({{"id", id}, {"spec", record ? json(record->spec) : json()}});
  json instances = json::array();
  for (const auto& [pm_id, record] : changes.instances)
    instances.push_back({{"pm_id", pm_id}, {"record", record ? json_of(*record) : json()}});
  return dump({{"apps", std::move(apps)}, {"instances", std::move(instances)}});
}

RecordChanges changes_from_text(const std::string& text) {
  const json in = json::parse(text);
  RecordChanges changes;
  for (const json& app : in.at("apps")) {
    const auto id = app.at("id").get<std::uint64_t>();
    std::optional<AppRecord>& record = changes.apps[id];
    if (!app.at("spec").is_null()) record = AppRecord{id, app.at("spec").get<AppSpec>()};
  }
  for (const json& instance : in.at("instances")) {
    std::optional<InstanceRecord>& record = changes.instances[instance.at("pm_id").get<int>()];
    if (!instance.at("record").is_null()) record = record_from(instance.at("record"));
  }
  return changes;
}

}  // namespace pmx
