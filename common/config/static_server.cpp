#include "common/config/static_server.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/config/json_values.h"

namespace pmx {
namespace {

using Json = nlohmann::json;

constexpr Millis kReadyWithin = std::chrono::seconds(10);
constexpr Millis kSendsWithin = std::chrono::seconds(10);  // what is under way when it is stopped
constexpr int kLastPort = 65535;

std::string set_text(const Json& value, std::string& out) {
  return values::read(value, out) && !out.empty() ? "" : std::string("a text");
}

std::string set_flag(const Json& value, const char* variable, LaunchRequest& app) {
  bool on = false;
  if (!values::read(value, on)) return "true or false";
  if (on) app.env[variable] = "true";
  return "";
}

std::string set_port(const Json& value, LaunchRequest& app) {
  int port = 0;
  if (!values::read(value, port) || port < 1 || port > kLastPort) return "a number from 1 to 65535";
  app.env["PM2_SERVE_PORT"] = std::to_string(port);
  return "";
}

std::string set_authorization(const Json& value, LaunchRequest& app) {
  std::string user;
  std::string password;
  const bool is_right = value.is_object() && value.size() == 2 && value.contains("username") &&
                        value.contains("password") && set_text(value["username"], user).empty() &&
                        set_text(value["password"], password).empty();
  if (!is_right) return "an object with the texts username and password";
  app.env["PM2_SERVE_BASIC_AUTH"] = "true";
  app.env["PM2_SERVE_BASIC_AUTH_USERNAME"] = user;
  app.env["PM2_SERVE_BASIC_AUTH_PASSWORD"] = password;
  return "";
}

}  // namespace

void make_static_server(LaunchRequest& app, const std::string& program) {
  AppSpec& options = app.options;
  app.target = program;
  app.interpreter = "none";
  if (!app.instances && !app.exec_mode) app.exec_mode = ExecMode::fork;
  if (options.ready.probe.empty() && !options.wait_ready) {
    options.ready.probe = "message";
    options.ready.timeout = kReadyWithin;
  }
  if (options.kill_timeout == AppSpec().kill_timeout) options.kill_timeout = kSendsWithin;
  if (!options.name.empty()) return;
  const auto port = app.env.find("PM2_SERVE_PORT");
  options.name =
      fmt::format("static-page-server-{}", port == app.env.end() ? "8080" : port->second);
}

StaticServerKey set_static_server_key(const std::string& key, const Json& value,
                                      LaunchRequest& app) {
  if (key == "name") return {set_text(value, app.options.name), {}};
  if (key == "path") return {set_text(value, app.env["PM2_SERVE_PATH"]), {}};
  if (key == "host") return {set_text(value, app.env["PM2_SERVE_HOST"]), {}};
  if (key == "port") return {set_port(value, app), {}};
  if (key == "spa") return {set_flag(value, "PM2_SERVE_SPA", app), {}};
  if (key == "ftp") return {set_flag(value, "PM2_SERVE_FTP", app), {}};
  if (key == "basic_auth") return {set_authorization(value, app), {}};
  if (key == "directory") return {{}, "\"ftp\": true lists directories"};
  if (key == "monitor") return {{}, "pmx talks to no service"};
  return {{}, "it is not known"};
}

}  // namespace pmx
