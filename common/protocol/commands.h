// Every command of the control protocol: its method name, what is asked and what is answered. JSON
// field names are the member names unless noted; durations are milliseconds. Members with a default
// are optional on the wire.
//
// A target is a name, a script path (made absolute by the client), an id, a namespace, `all` or
// `/regex/` (pm2-surface 5).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/app_spec.h"
#include "common/model/effect.h"
#include "common/model/instance_status.h"

namespace pmx::protocol {

struct Ping {
  static constexpr std::string_view method = "ping";
  struct Request {};
  struct Response {
    std::string version;  // of the program
    int protocol = 0;
    int daemon_pid = 0;
    int keeper_pid = 0;
  };
};

// Of the main process of a systemd unit: the daemon connects to its socket and sends there all that
// systemd shall keep (unit_store.h), now and whenever it changes. Error `unavailable`: it cannot.
struct UnitStore {
  static constexpr std::string_view method = "unit.store";
  struct Request {};
  struct Response {};
};

// Adds apps, or starts again what is stopped under the same name and script. All specs are checked
// before anything is done. Answers when each instance is online, has failed, or its listen timeout
// has passed.
struct Start {
  static constexpr std::string_view method = "start";
  struct Request {
    std::vector<AppSpec> apps;
    bool force = false;  // a second copy of what already runs
    bool replace =
        false;  // an app of the same name gets the new spec and is restarted (start FILE)
    bool autostart = true;  // false: only register, as stopped
    bool wait = true;       // false: answers as soon as the processes exist
  };
  struct Outcome {
    std::string name;
    std::string error;  // empty: as wished
    std::string hint;
    bool restarted = false;  // an existing, not running entry was started again
    std::vector<InstanceStatus> instances;
  };
  struct Response {
    std::vector<Outcome> outcomes;  // each under its name
  };
};

// Brings apps to the settings of a configuration file, each in the way that the client's plan says.
// All specs are checked before anything is done. Sends "progress" notifications of reloads.
struct Apply {
  static constexpr std::string_view method = "apply";
  struct Change {
    AppSpec spec;
    Effect effect = Effect::start;
    std::string renames = {};  // the name of the app that gets spec.name instead; empty: none does
  };
  struct Request {
    std::vector<Change> changes;
    std::vector<std::string> remove;  // names of apps; before everything else
    bool autostart = true;            // of what is new
    bool wait = true;
    std::optional<int> parallel;   // of reloads
    std::optional<bool> rollback;  // of reloads
  };
  using Response = Start::Response;
};

// What stop, restart, reload and delete have in common.
struct TargetRequest {
  std::string target;
};
struct ActedResponse {
  std::vector<InstanceStatus> instances;  // after the action (delete: as they were)
  std::vector<std::string> notes;  // remarks for the user, e.g. "fork mode: restarted, with a gap"
};

struct Stop {
  static constexpr std::string_view method = "stop";
  using Request = TargetRequest;
  using Response = ActedResponse;
};

// Restarts running instances, starts stopped ones.
struct Restart {
  static constexpr std::string_view method = "restart";
  struct Request {
    std::string target;
    std::optional<Env> env;  // merged over the app's environment (--update-env)
    bool wait = true;        // until it is ready again, or has failed to be
  };
  using Response = ActedResponse;
};

// Rolling for cluster apps: the new worker is ready before the old one is told to go. Sends
// "progress" notifications. A new worker that fails stops the reload, the old ones stay, those
// already replaced go back to their previous settings: error `not_ready`. One reload of an app at a
// time: error `busy`.
struct Reload {
  static constexpr std::string_view method = "reload";
  struct Request {
    std::string target;
    std::optional<Env> env;
    std::optional<int> parallel;   // instead of the app's max_surge, at least 1
    std::optional<bool> rollback;  // instead of the app's
  };
  using Response = ActedResponse;
};

struct Delete {
  static constexpr std::string_view method = "delete";
  using Request = TargetRequest;
  using Response = ActedResponse;
};

struct List {
  static constexpr std::string_view method = "list";
  static constexpr std::string_view changed = "list.changed";
  struct Request {
    std::optional<std::string> target;  // none: everything
    bool detail = false;                // InstanceStatus::detail filled in
    bool follow = false;                // one "list.changed" comes when this may be out of date
  };
  struct Response {
    std::vector<InstanceStatus> instances;  // by id
    std::string problem = {};               // changes are not remembered: why; or empty
  };
};

// The log files of a target. With `follow` the connection stays and a "logs.files" notification
// with the same shape as the response comes each time the set changes; the client reads and follows
// the files itself. With `events` too, "logs.events" notifications tell what becomes of the target's
// processes; with `messages` besides, what they send on their channels, and more of each event. Who
// does not read them in time is told how many were missed.
struct Logs {
  static constexpr std::string_view method = "logs";
  static constexpr std::string_view changed = "logs.files";
  struct Request {
    std::optional<std::string> target;
    bool follow = false;
    bool events = false;
    bool messages = false;
  };
  struct File {
    int pm_id = 0;
    std::string name;
    std::string stream;  // "out" or "err"
    std::string path;
    std::string date_format = {};  // what each line begins with (date_pattern.h), then ": "
    bool json = false;             // each line is an object, its timestamp as date_format or ISO
    std::string name_space = {};   // "namespace" on the wire
  };
  struct Response {
    std::vector<File> files;
  };
  static constexpr std::string_view happened = "logs.events";
  struct Event {
    int pm_id = 0;
    std::string name;
    // online, exit, start, restart, reload, stop, "restart overlimit", delete; with `messages` also
    // message, and kill (of the daemon, with pm_id -1)
    std::string event;
    WallMillis at = 0;
    // With `messages`:
    std::string name_space = {};                  // "namespace" on the wire
    std::string reason = {};                      // in words; of a message: why it is not here
    bool by_operator = false;                     // somebody asked for it
    std::string message = {};                     // JSON
    std::optional<InstanceStatus> instance = {};  // as it was then; not of a message
  };
  struct Events {
    std::vector<Event> events;
    std::uint64_t missed = 0;  // before them: more than the daemon remembers
  };
};

// Empties log files.
struct Flush {
  static constexpr std::string_view method = "flush";
  struct Request {
    std::optional<std::string> target;  // none: all, and the daemon's own log
  };
  struct Response {
    std::vector<std::string> files;
  };
};

// Closes and opens all log files (after an external rotation).
struct ReloadLogs {
  static constexpr std::string_view method = "reload_logs";
  struct Request {};
  struct Response {};
};

struct Scale {
  static constexpr std::string_view method = "scale";
  struct Request {
    std::string name;
    int count = 0;
    bool relative = false;  // count is a difference
  };
  struct Response {
    std::vector<int> added;
    std::vector<int> removed;
    std::vector<InstanceStatus> instances;  // of the app, afterwards
  };
};

// Zeroes the counters.
struct Reset {
  static constexpr std::string_view method = "reset";
  using Request = TargetRequest;
  using Response = ActedResponse;
};

struct Signal {
  static constexpr std::string_view method = "signal";
  struct Request {
    std::string target;
    std::string signal;  // "SIGUSR2" or "USR2"
  };
  using Response = ActedResponse;
};

// Has the instances of the target that offer it run a custom action. Answers when all have answered,
// or the time is over; error `not_found` if none offers it.
struct Trigger {
  static constexpr std::string_view method = "trigger";
  struct Request {
    std::string target;
    std::string action;
    std::optional<std::string> param;
    Millis timeout{30000};  // at most an hour
  };
  struct Answer {
    int pm_id = 0;
    std::string name;
    std::string name_space;  // "namespace" on the wire
    std::string json;        // what the action has returned
    std::string error;       // why there is nothing; or empty
  };
  struct Response {
    std::vector<Answer> answers;
  };
};

// Bytes for the stdin of one instance (a line: at most 4096 bytes with its end, taken as a whole or
// not at all), or a message for its channel. Error `busy`: it does not take it.
struct Send {
  static constexpr std::string_view method = "send";
  struct Request {
    std::string target;   // of one instance
    std::string input;    // not UTF-8: a list of byte values
    std::string message;  // JSON
  };
  using Response = ActedResponse;
};

// Stops and forgets every app, then ends the daemon and its keeper. The answer comes when all apps
// are gone.
struct Kill {
  static constexpr std::string_view method = "kill";
  struct Request {};
  struct Response {
    int daemon_pid = 0;
    int keeper_pid = 0;
    int stopped = 0;  // instances that were running
  };
};

struct Progress {
  static constexpr std::string_view method = "progress";
  int pm_id = 0;
  std::string name;
  std::string text;
};

template <class... Commands>
struct TypeList {};

// The one list: the daemon's table is made from it, and a command without a handler does not
// compile.
using AllCommands = TypeList<Ping, UnitStore, Start, Apply, Stop, Restart, Reload, Delete, List,
                             Logs, Flush, ReloadLogs, Scale, Reset, Signal, Trigger, Send, Kill>;

using Json = nlohmann::json;

// from_json throws Error(invalid_request) naming the field and what was expected; unknown fields
// are ignored.
#define PMX_PROTOCOL_JSON(Type)                \
  void to_json(Json& json, const Type& value); \
  void from_json(const Json& json, Type& value);
PMX_PROTOCOL_JSON(Ping::Request)
PMX_PROTOCOL_JSON(Ping::Response)
PMX_PROTOCOL_JSON(UnitStore::Request)
PMX_PROTOCOL_JSON(UnitStore::Response)
PMX_PROTOCOL_JSON(Start::Request)
PMX_PROTOCOL_JSON(Start::Outcome)
PMX_PROTOCOL_JSON(Start::Response)
PMX_PROTOCOL_JSON(Apply::Change)
PMX_PROTOCOL_JSON(Apply::Request)
PMX_PROTOCOL_JSON(TargetRequest)
PMX_PROTOCOL_JSON(ActedResponse)
PMX_PROTOCOL_JSON(Restart::Request)
PMX_PROTOCOL_JSON(Reload::Request)
PMX_PROTOCOL_JSON(List::Request)
PMX_PROTOCOL_JSON(List::Response)
PMX_PROTOCOL_JSON(Logs::Request)
PMX_PROTOCOL_JSON(Logs::File)
PMX_PROTOCOL_JSON(Logs::Response)
PMX_PROTOCOL_JSON(Logs::Event)
PMX_PROTOCOL_JSON(Logs::Events)
PMX_PROTOCOL_JSON(Flush::Request)
PMX_PROTOCOL_JSON(Flush::Response)
PMX_PROTOCOL_JSON(ReloadLogs::Request)
PMX_PROTOCOL_JSON(ReloadLogs::Response)
PMX_PROTOCOL_JSON(Scale::Request)
PMX_PROTOCOL_JSON(Scale::Response)
PMX_PROTOCOL_JSON(Signal::Request)
PMX_PROTOCOL_JSON(Trigger::Request)
PMX_PROTOCOL_JSON(Trigger::Answer)
PMX_PROTOCOL_JSON(Trigger::Response)
PMX_PROTOCOL_JSON(Send::Request)
PMX_PROTOCOL_JSON(Kill::Request)
PMX_PROTOCOL_JSON(Kill::Response)
PMX_PROTOCOL_JSON(Progress)
#undef PMX_PROTOCOL_JSON

}  // namespace pmx::protocol
