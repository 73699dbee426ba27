// pmx-keeper: parent of all apps and keeper of their descriptors. Starts pmxd, starts it again when
// it dies, and hands everything to the new one. Normally started by `pmx`; see --help.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "daemon/keeper/keeper.h"
#include "daemon/keeper/log.h"

namespace pmx::keeper {
namespace {

constexpr int kExitUsage = 64;
constexpr int kExitNoResources = 71;

constexpr char kUsage[] =
    "usage: pmx-keeper --home DIR --daemon PATH [--ready-fd N] [--link-fd N] [--foreground]\n"
    "                  [--with-parent]\n"
    "  --home DIR      directory of this pmx (log: DIR/pmx.log)\n"
    "  --daemon PATH   the pmxd to run\n"
    "  --ready-fd N    handed to the first daemon, which writes to it once ready\n"
    "  --link-fd N     link of a running daemon that lost its keeper\n"
    "  --foreground    stay attached: no fork, no session of its own, log to stderr\n"
    "  --with-parent   stop everything when the process that started this one is gone\n";

struct Options {
  char home[PATH_MAX] = "";
  char daemon[PATH_MAX] = "";
  int ready_fd = -1;
  int link_fd = -1;
  bool is_foreground = false;
  bool ends_with_parent = false;
};

// Absolute, as the keeper leaves its directory; links are kept, as an upgrade may move them.
bool set_path(char (&path)[PATH_MAX], const char* given) {
  char start[PATH_MAX] = "";
  if (given[0] != '/' && getcwd(start, sizeof start) == nullptr) return false;
  const char* separator = given[0] == '/' ? "" : "/";
  const int length = std::snprintf(path, PATH_MAX, "%s%s%s", start, separator, given);
  return length > 0 && length < PATH_MAX;
}

bool set_fd(int& fd, const char* given) {
  char* end = nullptr;
  const long value = std::strtol(given, &end, 10);
  if (end == given || *end != '\0' || value < 3 || value > INT_MAX) return false;
  fd = static_cast<int>(value);
  return fcntl(fd, F_GETFD) >= 0;
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const auto is = [&](const char* name) { return std::strcmp(argv[i], name) == 0; };
    if (is("--foreground")) {
      options.is_foreground = true;
      continue;
    }
    if (is("--with-parent")) {
      options.ends_with_parent = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[i + 1];
    const bool is_good = is("--home")       ? set_path(options.home, value)
                         : is("--daemon")   ? set_path(options.daemon, value)
                         : is("--ready-fd") ? set_fd(options.ready_fd, value)
                         : is("--link-fd")  ? set_fd(options.link_fd, value)
                                            : false;
    if (!is_good) return false;
    ++i;
  }
  return options.home[0] != '\0' && options.daemon[0] != '\0';
}

// Nothing of the caller's but 0, 1, 2 and what was meant for us: a pipe held here for ever would
// hang who reads it.
void close_other_files(int one, int other) {
  const int low = std::min(one, other);
  const int high = std::max(one, other);
  unsigned first = 3;
  for (const int kept : {low, high}) {
    if (kept < 0) continue;
    const auto number = static_cast<unsigned>(kept);
    if (number > first) close_range(first, number - 1, 0);
    first = number + 1;
    fcntl(kept, F_SETFD, FD_CLOEXEC);
  }
  close_range(first, ~0U, 0);
}

void fill_standard_files() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

// Becomes a process without terminal and parent; the caller's goes on at once.
bool detach(const Options& options) {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child > 0) _exit(0);
  setsid();
  if (const int null = open("/dev/null", O_RDONLY | O_CLOEXEC); null >= 0) {
    dup2(null, STDIN_FILENO);
    close(null);
  }
  char path[PATH_MAX + 16];
  std::snprintf(path, sizeof path, "%s/pmx.log", options.home);
  if (const int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600); log >= 0) {
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
  }
  return true;
}

int run(const Options& options) {
  fill_standard_files();
  close_other_files(options.ready_fd, options.link_fd);
  if (!options.is_foreground && !detach(options)) {
    log_line("cannot fork: %s", strerrordesc_np(errno));
    return kExitNoResources;
  }
  if (chdir("/") != 0) log_line("cannot change to /: %s", strerrordesc_np(errno));
  prctl(PR_SET_NAME, "pmx-keeper");
  // Orphans of apps come to us instead of init.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (options.ends_with_parent) prctl(PR_SET_PDEATHSIG, SIGTERM);

  static SlotTable slots;
  DaemonProcess daemon(options.daemon, options.home, options.ready_fd);
  daemon.raise_file_limit();
  Keeper keeper(slots, daemon);
  if (!keeper.prepare()) return kExitNoResources;
  return keeper.run(options.link_fd);
}

}  // namespace
}  // namespace pmx::keeper

int main(int argc, char** argv) {
  static pmx::keeper::Options options;
  const bool wants_help = argc == 2 && std::strcmp(argv[1], "--help") == 0;
  if (!wants_help && pmx::keeper::parse(argc, argv, options)) return pmx::keeper::run(options);
  std::fputs(pmx::keeper::kUsage, wants_help ? stdout : stderr);
  return wants_help ? 0 : pmx::keeper::kExitUsage;
}
