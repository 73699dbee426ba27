// pmx serve [PATH] [PORT]: pmx-serve as an app of its own.
#include "cli/commands/serve.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "cli/commands/commands.h"
#include "cli/commands/log_defaults.h"
#include "cli/commands/targets.h"
#include "common/config/static_server.h"
#include "common/config/words.h"

namespace pmx::cli {
namespace {

constexpr int kDefaultPort = 8080;
constexpr int kLastPort = 65535;

int port_of(const std::string& text) {
  const auto port = parse_integer(text);
  if (!port || *port < 1 || *port > kLastPort)
    throw UsageError(fmt::format("\"{}\" is no port", text), "1 to 65535");
  return *port;
}

}  // namespace

std::string serve_program() {
  std::error_code ignored;
  return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "pmx-serve")
      .string();
}

int run_serve(Context& context, Arguments& arguments) {
  std::vector<std::string> words;
  std::optional<int> port_option;
  std::optional<std::string> name, host, user, password, home_page, instances;
  bool spa = false;
  bool listing = false;
  arguments.words("path and port", words, 0, 2);
  arguments.number("--port", port_option, "N", "8080 unless it is given");
  arguments.text("-n,--name", name, "NAME", "static-page-server-<port> unless it is given");
  arguments.text("--host", host, "ADDRESS", "listen there only");
  arguments.flag("--spa", spa, "what is not there is index.html");
  arguments.flag("--ftp", listing, "list directories without index.html");
  arguments.text("--homepage", home_page, "FILE", "instead of index.html");
  arguments.text("--basic-auth-username", user, "NAME", "demand a name and a password");
  arguments.text("--basic-auth-password", password, "TEXT", "likewise");
  arguments.text("-i,--instances", instances, "N", "processes on the port");
  context.parse(arguments);
  const int port = words.size() > 1 ? port_of(words[1]) : port_option.value_or(kDefaultPort);
  if (port < 1 || port > kLastPort) throw UsageError("--port is a number from 1 to 65535");
  if (user.has_value() != password.has_value())
    throw UsageError("--basic-auth-username and --basic-auth-password belong together");
  const std::string root = absolute_if_file(words.empty() ? "." : words[0]);
  if (root.empty() || !std::filesystem::is_directory(root))
    throw Error(ErrorCode::invalid_spec, fmt::format("{} is no directory", words[0]));

  LaunchRequest request;
  request.current_dir = std::filesystem::current_path().string();
  request.environment = current_environment();
  request.instances = instances;
  request.options.name = name.value_or("");
  request.options.log_limits = default_log_limits(context);
  request.env = {{"PM2_SERVE_PATH", root}, {"PM2_SERVE_PORT", std::to_string(port)}};
  if (host) request.env["PM2_SERVE_HOST"] = *host;
  if (home_page) request.env["PM2_SERVE_HOMEPAGE"] = *home_page;
  if (spa) request.env["PM2_SERVE_SPA"] = "true";
  if (listing) request.env["PM2_SERVE_FTP"] = "true";
  if (user) {
    request.env["PM2_SERVE_BASIC_AUTH"] = "true";
    request.env["PM2_SERVE_BASIC_AUTH_USERNAME"] = *user;
    request.env["PM2_SERVE_BASIC_AUTH_PASSWORD"] = *password;
  }
  make_static_server(request, serve_program());
  const bool all_well = start_apps(context, {spec_of(context, request)}, false, true);
  if (all_well) context.output.info(fmt::format("Serving {} on port {}", root, port));
  context.show_list();
  return all_well ? 0 : 1;
}

}  // namespace pmx::cli
