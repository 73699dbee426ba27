// From what a user typed, or wrote into a configuration file, to a complete AppSpec.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/model/app_spec.h"

namespace pmx {

struct LaunchRequest {
  std::string
      target;  // script, directory, program on PATH, or a shell command (with a blank in it)

  std::optional<std::string> interpreter;  // absent: found out; "none": the script runs itself
  std::optional<std::string> cwd;          // absent: current_dir; relative: from there
  std::optional<std::string> instances;    // "4", "max", "0", "-1"
  std::optional<ExecMode> exec_mode;       // absent: cluster if `instances` is given and it is Node

  std::string current_dir;             // absolute, of the caller
  Env environment;                     // of the caller; what pmx itself sets in apps is taken out
  Env env;                             // of the app, over `environment`
  std::vector<std::string> env_files;  // under `env`, the last counts most; relative ones: to cwd

  bool source_maps = false;   // of a Node app, in its stack traces
  bool disable_logs = false;  // whatever log files are named

  bool is_job = false;
  JobSpec job;  // only if is_job

  // Taken over as they are: name (empty: from the target), name_space, args, interpreter_args,
  // instance_var, inherit_env, out_file, error_file, pid_file and secret_files (here also relative
  // to cwd, "~/...", the first two "NULL"), merge_logs and everything from `autostart` on, except
  // `user`. The other members are not read.
  AppSpec options;

  // Of a configuration file.
  std::string name_prefix;           // PREFIX:NAME
  bool append_env_to_name = false;   // NAME-ENV if there is an --env
  std::string listed_name;           // NAME, without both
  std::vector<std::string> remarks;  // what of the value that was read last has no effect, and why
};

// `environment` without what pmx, or whoever started it, has set for one process.
Env inheritable(Env environment);

// Reads the file system, changes nothing. Throws Error(invalid_spec) saying which path, what is
// wrong with it and what to do.
AppSpec make_app_spec(const LaunchRequest& request);

// Fills in an empty interpreter_path, with the PATH of the app's environment. Throws
// Error(invalid_spec). For specs that come from a dump.
void resolve_interpreter(AppSpec& spec);

// Why instances that may have been meant to share ports do not, for people; empty: they do, or it
// was said that they shall not. Reads the program.
std::string sharing_remark(const AppSpec& spec);
// Whether bind_via "seccomp" would change that.
bool seccomp_would_share(const AppSpec& spec);

// The file to execute, absolute, and its complete argument list with argv[0].
std::string program_of(const AppSpec& spec);
std::vector<std::string> argv_of(const AppSpec& spec);
// Both.
std::pair<std::string, std::vector<std::string>> command_of(const AppSpec& spec);

// Base name without its last extension; of a directory or shell text as well.
std::string default_name(std::string_view target);

// Whether `target` names a configuration file: its last part contains ".json", ".yml", ".yaml", ".toml" or
// ".config.js" (.cjs, .mjs), unless it is a command with blanks.
bool looks_like_config(std::string_view target);

// Whether `start TARGET` should first look for an app of that name: a word without slash and
// extension, or anything else that is no existing file (so that names with blanks, dots and slashes
// work, which pm2 takes for paths). Numbers are ids.
bool looks_like_name(const std::string& target);

}  // namespace pmx
