// pmx validate: everything that is wrong with a configuration file, without a daemon.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/commands/serve.h"
#include "cli/config/config_file.h"
#include "common/config/ecosystem.h"

namespace pmx::cli {
namespace {

EcosystemReport examine(const std::string& file, const std::string& env_name) {
  EcosystemReport report;
  const EcosystemContext context{.current_dir = std::filesystem::current_path().string(),
                                 .environment = current_environment(),
                                 .env_name = env_name,
                                 .serve_program = serve_program()};
  try {
    report = examine_ecosystem(read_config_file(file, context.environment), context);
  } catch (const Error& error) {  // it names the place
    report.findings.push_back({true, 0, {}, {}, error.what(), {}, error.hint()});
    return report;
  }
  examine_programs(report);
  return report;
}

// Of what could not even be read the text begins with the file already.
std::string text_of(const ConfigFinding& finding, const std::string& file) {
  return finding.what.starts_with(file) ? finding.what : to_text(finding, file);
}

std::string json_of(const EcosystemReport& report, const std::string& file) {
  nlohmann::json findings = nlohmann::json::array();
  for (const ConfigFinding& finding : report.findings) {
    findings.push_back({{"level", finding.is_error ? "error" : "warning"},
                        {"line", finding.line},
                        {"app", finding.app},
                        {"key", finding.key},
                        {"text", finding.what},
                        {"expected", finding.expected},
                        {"suggestion", finding.suggestion}});
  }
  nlohmann::json apps = nlohmann::json::array();
  for (const LaunchRequest& app : report.ecosystem.apps) apps.push_back(app.options.name);
  const nlohmann::json all{{"file", file},
                           {"valid", !report.has_errors()},
                           {"apps", std::move(apps)},
                           {"findings", std::move(findings)}};
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int run_validate(Context& context, Arguments& arguments) {
  std::vector<std::string> files;
  std::optional<std::string> env_name;
  arguments.words("file", files, 1, 1);
  arguments.text("--env", env_name, "NAME", "with the variables of env_NAME");
  context.parse(arguments);
  const std::string& file = files.front();
  const EcosystemReport report = examine(file, env_name.value_or(""));
  if (context.global.json) {
    context.output.data(json_of(report, file));
  } else {
    for (const ConfigFinding& finding : report.findings) {
      const std::string text = text_of(finding, file);
      // to_text() has the suggestions of all others in it.
      const std::string hint = text == finding.what ? finding.suggestion : "";
      finding.is_error ? context.output.error(text, hint) : context.output.warn(text);
    }
    const std::size_t count = report.ecosystem.apps.size();
    if (!report.has_errors())
      context.output.info(fmt::format("{} is valid: {} app{}", file, count, count == 1 ? "" : "s"));
  }
  return report.has_errors() ? 1 : 0;
}

}  // namespace pmx::cli
