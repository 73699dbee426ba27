// Every command's request and response survives the way over the wire, and what is wrong on the wire is named.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/protocol/commands.h"
#include "common/protocol/envelope.h"
#include "common/protocol/framing.h"
#include "common/protocol/model_json.h"
#include "common/protocol/version.h"

using namespace pmx;
using namespace pmx::protocol;

namespace {

// Through text and back, compared as JSON: every field that is written is read.
template <class T>
T round_trip(const T& value) {
  Json first;
  to_json(first, value);
  const Json parsed = Json::parse(first.dump());
  T back;
  from_json(parsed, back);
  Json second;
  to_json(second, back);
  CHECK(first == second);
  return back;
}

AppSpec full_spec() {
  AppSpec spec;
  spec.name = "web";
  spec.name_space = "shop";
  spec.version = "1.2.3";
  spec.script = "/srv/app.js";
  spec.shell = true;
  spec.args = {"a b", "", "\xff\xfe", "--", "ü"};
  spec.interpreter = "node";
  spec.interpreter_path = "/usr/bin/node";
  spec.interpreter_args = {"--inspect"};
  spec.cwd = "/srv";
  spec.env = {{"A", "1"}, {"BYTES", "\x80\x01"}};
  spec.own_env = {"A"};
  spec.env_origin = {{"A", "/srv/.env"}};
  spec.secret_files = {{"S", "/run/secrets/s"}};
  spec.inherit_env = {"PATH", "!*TOKEN*"};
  spec.pid_file = "/run/web.pid";
  spec.autostart = false;
  spec.exec_mode = ExecMode::cluster;
  spec.instances = 4;
  spec.instances_given = true;
  spec.instance_var = "N";
  spec.out_file = "/tmp/o.log";
  spec.error_file = "/tmp/e.log";
  spec.merge_logs = true;
  spec.autorestart = false;
  spec.max_restarts = 3;
  spec.min_uptime = Millis{7};
  spec.restart_delay = Millis{8};
  spec.exp_backoff_restart_delay = Millis{9};
  spec.stop_exit_codes = {0, 3};
  spec.kill_timeout = Millis{10};
  spec.listen_timeout = Millis{11};
  spec.wait_ready = true;
  spec.increment_var = "PORT";
  spec.balance = Balance::rr;
  spec.bind_via = BindVia::seccomp;
  spec.listen = {"tcp:127.0.0.1:80", "unix:/run/a b.sock"};
  spec.drain_timeout = Millis{12};
  spec.min_ready = Millis{13};
  spec.max_surge = 3;
  spec.max_unavailable = 2;
  spec.rollback = false;
  spec.shutdown_with_message = true;
  spec.kill_mode = KillMode::leader;
  spec.start_on_connection = true;
  spec.restart = RestartMode::on_abnormal;
  spec.success_exit_codes = {5};
  spec.max_backoff = Millis{14};
  spec.backoff_jitter = 15;
  spec.restart_limit = 16;
  spec.restart_window = Millis{17};
  spec.retry_after = Millis{18};
  spec.stop_steps = {{15, Millis{19}}, {3, Millis{20}}};
  spec.max_memory_restart = 21;
  spec.max_uptime = Millis{22};
  spec.cron_restart = "0 4 * * *";
  spec.time_zone = "Europe/Berlin";
  spec.watch = true;
  spec.watch_paths = {"/srv/a b"};
  spec.ignore_watch = {"*.log"};
  spec.watch_delay = Millis{23};
  spec.log_file = "/l";
  spec.log_limits = {24, "0 0 * * *", 25, true, LogWhenFull::drop};
  spec.limits = {{{"nofile", "1:2"}}, -3,     "idle", "0-1", 500, "027", true, "me", "us",
                 {"a", "b"},          "150%", 31,     30,    32,  33};
  spec.job = {"0 3 * * *", Overlap::queue, CatchUp::one, Millis{34}, 35, Millis{36}};
  spec.user = "me";
  return spec;
}

InstanceStatus full_status() {
  InstanceStatus status;
  status.pm_id = 3;
  status.instance_number = 1;
  status.name = "web";
  status.name_space = "shop";
  status.version = "1.2.3";
  status.exec_mode = ExecMode::cluster;
  status.user = "me";
  status.state = InstanceState::waiting_restart;
  status.reason = "exit code 1";
  status.pid = 42;
  status.ever_spawned = true;
  status.started_at = 1'700'000'000'000;
  status.created_at = 1'600'000'000'000;
  status.restarts = 5;
  status.unstable_restarts = 2;
  status.restart_delay = Millis{150};
  status.last_exit = ExitStatus{ExitStatus::Kind::signalled, 11, true};
  status.cpu_percent = 12.5;
  status.memory_bytes = 1U << 30U;
  status.watching = true;
  status.watch_problem = "no watches left";
  status.log_problem = "disk full";
  status.log_dropped = 7;
  const CustomReport custom{{{"clear", "custom", 1}}, {{"m", "1", "u", "t"}}, "{}", 1, "why"};
  status.detail = InstanceStatus::Detail{
      full_spec(), "/o", "/e", "/p", "uuid", "cgroup /x", {"tcp 1.2.3.4:5, slots"}, "/l", custom};
  return status;
}

std::string message_of(std::string_view line) {
  std::optional<std::int64_t> id;
  Json params;
  try {
    parse_request(line, id, params);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

template <class T>
std::string refusal(const char* text) {
  try {
    T value;
    from_json(Json::parse(text), value);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_request);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("an AppSpec survives, bytes that are no UTF-8 included") {
  CHECK(round_trip(full_spec()) == full_spec());
}

TEST_CASE("requests and responses survive") {
  round_trip(Ping::Request{});
  round_trip(Ping::Response{"0.1.0", 1, 10, 11});
  round_trip(UnitStore::Request{});
  round_trip(UnitStore::Response{});
  round_trip(Start::Request{{full_spec(), full_spec()}, true, true, false});
  const Start::Outcome outcome{"web", "no", "do that", true, {full_status()}};
  round_trip(Start::Response{{outcome}});
  CHECK(round_trip(TargetRequest{"all"}).target == "all");
  round_trip(ActedResponse{{full_status()}, {"note"}});
  CHECK(round_trip(Restart::Request{"web", Env{{"A", "\xff"}}}).env->at("A") == "\xff");
  Reload::Request reload;
  reload.target = "web";
  CHECK_FALSE(round_trip(reload).env.has_value());
  CHECK_FALSE(round_trip(reload).rollback.has_value());
  reload.parallel = 3;
  reload.rollback = false;
  CHECK(round_trip(reload).parallel == 3);
  CHECK(round_trip(reload).rollback == false);
  CHECK(round_trip(List::Request{"web", true, false}).detail);
  CHECK(round_trip(List::Request{"web", false, true}).follow);
  CHECK_FALSE(round_trip(List::Request{}).target.has_value());
  const List::Response list = round_trip(List::Response{{full_status()}});
  CHECK(list.instances.front().last_exit == full_status().last_exit);
  CHECK(list.instances.front().detail->spec == full_spec());
  CHECK(round_trip(Logs::Request{std::nullopt, true}).follow);
  CHECK(round_trip(Logs::Response{{{1, "web", "err", "/x"}}}).files.front().stream == "err");
  CHECK(round_trip(Logs::Request{"web", true, true, true}).messages);
  CHECK(round_trip(Logs::File{1, "web", "err", "/x", "", false, "shop"}).name_space == "shop");
  Logs::Event event{3, "web", "exit", 7, "shop", "exit code 3", true, R"({"a":1})", full_status()};
  event = round_trip(event);
  CHECK(event.reason == "exit code 3");
  CHECK(event.by_operator);
  CHECK(event.message == R"({"a":1})");
  CHECK(event.name_space == "shop");
  CHECK(event.instance->pm_id == full_status().pm_id);
  CHECK(round_trip(Logs::Events{{event}, 9}).missed == 9);
  round_trip(Flush::Request{"web"});
  round_trip(Flush::Response{{"/a", "/b"}});
  round_trip(ReloadLogs::Request{});
  round_trip(ReloadLogs::Response{});
  CHECK(round_trip(Scale::Request{"web", -2, true}).count == -2);
  CHECK(round_trip(Scale::Response{{4}, {1, 2}, {full_status()}}).removed.size() == 2);
  round_trip(Signal::Request{"web", "USR2"});
  round_trip(Trigger::Request{"web", "clear", "all", Millis{7}});
  round_trip(Trigger::Request{"web", "clear", std::nullopt, Millis{7}});
  Trigger::Response triggered;
  triggered.answers = {{1, "web", "shop", "{\"a\":1}", ""}, {2, "web", "shop", "", "late"}};
  CHECK(round_trip(triggered).answers.back().error == "late");
  CHECK(round_trip(Send::Request{"0", "\xff line\n", ""}).input == "\xff line\n");
  round_trip(Send::Request{"0", "", "{}"});
  round_trip(Kill::Request{});
  round_trip(Kill::Response{1, 2, 3});
  round_trip(Progress{1, "web", "text"});
}

TEST_CASE("unknown fields are ignored, missing optional ones keep their defaults") {
  Restart::Request request;
  from_json(Json::parse(R"({"target":"a","of_a_newer_version":[1,2]})"), request);
  CHECK(request.target == "a");
  AppSpec spec;
  from_json(Json::parse(
                R"({"name":"a","script":"/s","interpreter":"none","cwd":"/","exec_mode":"fork"})"),
            spec);
  CHECK(spec.kill_timeout == AppSpec::kDefaultKillTimeout);
  CHECK(spec.autorestart);
}

TEST_CASE("a wrong field is named with what was expected") {
  CHECK(refusal<TargetRequest>("{}") == "field \"target\" is missing");
  CHECK(refusal<TargetRequest>(R"({"target":7})") ==
        "field \"target\": expected a string, not number");
  CHECK(refusal<TargetRequest>("[]") == "expected an object, not array");
  CHECK(refusal<Scale::Request>(R"({"name":"a","count":1.5})") ==
        "field \"count\": expected an integer, not number");
  CHECK(refusal<Start::Request>(R"({"apps":3})") == "field \"apps\": expected a list");
  CHECK(refusal<Start::Request>(R"({"apps":[{"name":"a","script":"/s","interpreter":"none",
        "cwd":"/","exec_mode":"thread"}]})") == "field \"exec_mode\": \"thread\" is not known");
  CHECK(refusal<Restart::Request>(R"({"target":"a","env":{"A":[256]}})") ==
        "field \"A\": 256 is no byte");
}

TEST_CASE("a request's head") {
  std::optional<std::int64_t> id;
  Json params;
  const RequestHead head = parse_request(
      R"({"jsonrpc":"2.0","id":7,"method":"stop","params":{"target":"x"}})", id, params);
  CHECK(head.id == 7);
  CHECK(head.method == "stop");
  CHECK(params.at("target") == "x");

  CHECK(message_of("{").find("not valid JSON") == 0);
  CHECK(message_of("1e999999").find("not valid JSON") == 0);
  CHECK(message_of("[]") == "a request must be a JSON object");
  CHECK(message_of(R"({"method":"ping"})") == "a request needs an integer \"id\"");
  CHECK(message_of(R"({"id":1})") == "a request needs a \"method\" string");
  CHECK(message_of(R"({"id":1,"method":"ping","params":[]})") == "\"params\" must be an object");
  CHECK(message_of(std::string(100, '[')).find("nested deeper") != std::string::npos);
}

TEST_CASE("peers one version apart understand each other, two apart are told") {
  const auto request = [](int version) {
    return R"({"id":1,"method":"ping","protocol":)" + std::to_string(version) + "}";
  };
  CHECK(message_of(request(kProtocol)).empty());
  CHECK(message_of(request(kProtocol + 1)).empty());
  CHECK(message_of(request(kProtocol + 2)).find("speaks") != std::string::npos);
  CHECK(message_of(request(kOldestProtocol - 1)).find("speaks") != std::string::npos);
}

TEST_CASE("errors travel with kind and hint") {
  for (const ErrorCode code : {ErrorCode::not_found, ErrorCode::busy, ErrorCode::internal}) {
    Json payload;
    const Incoming incoming = parse_incoming(error_line(3, Error(code, "what", "do")), payload);
    REQUIRE(incoming.kind == Incoming::Kind::error);
    CHECK(incoming.error->code() == code);
    CHECK(std::string(incoming.error->what()) == "what");
    CHECK(incoming.error->hint() == "do");
  }
  CHECK(error_line(std::nullopt, Error(ErrorCode::busy, "x")).find(R"("id":null)") !=
        std::string::npos);
}

TEST_CASE("an error whose parts have wrong types is an error of unknown kind") {
  for (const char* line : {
           R"({"error":{"message":1,"data":[1]}})",
           R"({"error":{"message":{},"data":{"kind":1,"hint":[]}}})",
           R"({"error":{"data":"text"}})",
       }) {
    CAPTURE(line);
    Json payload;
    const Incoming incoming = parse_incoming(line, payload);
    REQUIRE(incoming.kind == Incoming::Kind::error);
    CHECK(incoming.error->code() == ErrorCode::internal);
    CHECK(std::string(incoming.error->what()) == "unknown error");
    CHECK(incoming.error->hint().empty());
  }
}

TEST_CASE("lines are found whatever the pieces they come in") {
  const std::string stream = "one\r\n\ntwo\nthree";
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    LineBuffer lines(16);
    std::vector<std::string> found;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      REQUIRE(lines.append(std::string_view(stream).substr(at, piece)));
      while (auto line = lines.next()) found.push_back(*line);
    }
    CHECK(found == std::vector<std::string>{"one", "two"});
  }
}

TEST_CASE("a line past the limit is refused as soon as that is known") {
  LineBuffer lines(8);
  CHECK(lines.append("12345678"));
  CHECK_FALSE(lines.append("9"));
  LineBuffer ended(8);
  CHECK_FALSE(ended.append("123456789\n"));
}

TEST_CASE("nesting counts brackets outside strings") {
  CHECK(nesting_depth("{}") == 1);
  CHECK(nesting_depth(R"({"a":[{"b":"[[[\"[["}]})") == 3);
  CHECK(nesting_depth("") == 0);
}
