// pmx init: a configuration file to begin with.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "cli/commands/commands.h"
#include "common/base/unique_fd.h"

namespace pmx::cli {
namespace {

constexpr const char* kFile = "ecosystem.config.js";
constexpr mode_t kMode = 0666;  // as the umask allows

constexpr std::string_view kSimple = R"(module.exports = {
  apps: [
    {
      name: 'app',
      script: './app.js',
    },
  ],
};
)";

constexpr std::string_view kFull = R"(// What pmx runs here.
//   pmx validate ecosystem.config.js      is it right?
//   pmx plan ecosystem.config.js          what would it change?
//   pmx apply ecosystem.config.js         change it
// "man pmx-ecosystem" has all keys. Paths are relative to cwd.
module.exports = {
  apps: [
    {
      name: 'app',
      script: './app.js',
      // args: ['--port', '3000'],
      // cwd: '/srv/app',

      // One worker per core, all on the port that the script listens on.
      // instances: 'max',
      // exec_mode: 'cluster',

      // It counts as running, and a reload goes on, when this answers.
      // ready: 'http://127.0.0.1:$PORT/health',

      // Variables, over those of the shell.
      env: {
        NODE_ENV: 'development',
        // PORT: '${PORT:-3000}',
        // DB_PASSWORD: {file: '/run/secrets/db'}, // read at each start, stored nowhere
      },
      // In addition with --env production.
      env_production: {
        NODE_ENV: 'production',
      },
      // env_file: '.env',
      // inherit_env: ['PATH', 'HOME', 'LANG', 'LC_*'], // of the shell these only

      // max_memory_restart: '500M',
      // watch: ['src'],
    },
  ],
};
)";

}  // namespace

int run_init(Context& context, Arguments& arguments) {
  std::vector<std::string> kinds;
  arguments.words("simple", kinds, 0, 1);
  context.parse(arguments);
  if (!kinds.empty() && kinds.front() != "simple")
    throw UsageError(fmt::format("{}: not a kind of file", kinds.front()), "simple, or nothing");
  const std::string_view text = kinds.empty() ? kFull : kSimple;
  const UniqueFd file(::open(kFile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
  if (!file && errno == EEXIST)
    throw Error(ErrorCode::invalid_request, fmt::format("{} is there already", kFile),
                "it is left as it is; remove it first");
  if (!file)
    throw Error(ErrorCode::permission,
                fmt::format("cannot create {}: {}", kFile, std::strerror(errno)));
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    const std::string reason = std::strerror(errno);
    ::unlink(kFile);
    throw Error(ErrorCode::internal, fmt::format("cannot write {}: {}", kFile, reason));
  }
  context.output.info(fmt::format("Created {}; pmx start {} runs what it lists", kFile, kFile));
  return 0;
}

}  // namespace pmx::cli
