// Every file name under PMX_HOME, and those of one instance, in one place.
#pragma once

#include <string>
#include <string_view>

#include "common/model/app_spec.h"

namespace pmx {

class Paths {
 public:
  Paths() = default;  // of no home: assign before use
  // `home`: made absolute and normal; need not exist. Throws Error(invalid_spec) if the socket's
  // path would be longer than the system allows.
  static Paths at(std::string_view home);
  // PMX_HOME, else $HOME/.pmx. Throws Error as above, and if neither variable is set.
  static Paths from_environment();

  // For `pmx run`, whose apps are not those of the list: another database.
  void use_transient_database() noexcept { is_transient_ = true; }

  // Creates the home (0700) with logs/ and pids/. Throws Error(permission) if it is no directory,
  // belongs to another user or cannot be written.
  void ensure_home() const;

  [[nodiscard]] const std::string& home() const noexcept { return home_; }
  [[nodiscard]] std::string socket() const { return home_ + "/pmx.sock"; }
  // Where apps ask for the ports they bind.
  [[nodiscard]] std::string listen_socket() const { return home_ + "/app.sock"; }
  // Of the unit's main process, for what systemd shall keep.
  [[nodiscard]] std::string unit_socket() const { return home_ + "/unit.sock"; }
  [[nodiscard]] std::string pid_file() const { return home_ + "/pmx.pid"; }  // of the daemon
  [[nodiscard]] std::string log() const { return home_ + "/pmx.log"; }       // of the daemon
  [[nodiscard]] std::string database() const { return home_ + "/" + database_name(); }
  [[nodiscard]] std::string database_name() const {
    return is_transient_ ? "pmx-run.db" : "pmx.db";
  }
  [[nodiscard]] std::string lock() const { return home_ + "/pmx.lock"; }
  [[nodiscard]] std::string logs() const { return home_ + "/logs"; }
  [[nodiscard]] std::string pids() const { return home_ + "/pids"; }
  // Where apps of `pmx run` print to: FIFOs that it reads.
  [[nodiscard]] std::string run_outputs() const { return home_ + "/run"; }
  [[nodiscard]] std::string dump() const { return home_ + "/dump.pmx"; }
  [[nodiscard]] std::string settings() const { return home_ + "/module_conf.json"; }  // pm2's name
  [[nodiscard]] std::string dump_backup() const { return home_ + "/dump.pmx.bak"; }

  // Of an instance, by pm2's rules (pm2-surface 11.1): the id is part of a log's name unless the
  // app is a plain fork app or merges its logs; a path given by the user gets it only before
  // ".log".
  [[nodiscard]] std::string out_log(const AppSpec& spec, int pm_id) const;
  [[nodiscard]] std::string error_log(const AppSpec& spec, int pm_id) const;
  // Of both streams together; empty: the app has none.
  [[nodiscard]] std::string combined_log(const AppSpec& spec, int pm_id) const;
  [[nodiscard]] std::string pid_of(const AppSpec& spec, int pm_id) const;

 private:
  std::string home_;
  bool is_transient_ = false;
};

// An app's name as part of a file name: what is no letter, digit, ".", "-" or "\" becomes "-".
std::string file_stem_of(std::string_view app_name);

}  // namespace pmx
