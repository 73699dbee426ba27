#include "cli/render/describe.h"

#include <doctest/doctest.h>

#include "cli/render/text_width.h"
#include "tests/golden/golden_data.h"

namespace pmx::cli {
namespace {

InstanceStatus detailed() {
  InstanceStatus one = golden::instance(3, "web", InstanceState::errored);
  one.reason = "16 unstable restarts: exit code 3";
  one.last_exit = ExitStatus{ExitStatus::Kind::exited, 3, false};
  one.restarts = 15;
  one.detail.emplace();
  AppSpec& spec = one.detail->spec;
  spec.name = "web";
  spec.script = "/srv/my app/server.js";
  spec.args = {"--port", "80", "it's"};
  spec.interpreter = "node";
  spec.interpreter_path = "/usr/bin/node";
  spec.interpreter_args = {"--inspect"};
  spec.cwd = "/srv/my app";
  spec.env = {{"NODE_ENV", "production"}};
  one.detail->out_path = "/root/.pmx/logs/web-out.log";
  one.detail->error_path = "/root/.pmx/logs/web-error.log";
  one.detail->pid_path = "/root/.pmx/pids/web-3.pid";
  return one;
}

TEST_CASE("describe") {
  CHECK(describe(detailed(), {80, false, golden::kNow}) ==
        R"( Describing process with id 3 - name web
┌───────────────────┬──────────────────────────────────────────────────────────┐
│ status            │ errored                                                  │
│ reason            │ 16 unstable restarts: exit code 3                        │
│ name              │ web                                                      │
│ namespace         │ default                                                  │
│ version           │ N/A                                                      │
│ pid               │ 0                                                        │
│ restarts          │ 15                                                       │
│ unstable restarts │ 0                                                        │
│ last exit         │ exit code 3                                              │
│ uptime            │ 0                                                        │
│ cpu, memory       │ 0%, 0b (whole process tree)                              │
│ script path       │ /srv/my app/server.js                                    │
│ script args       │ --port 80 'it'\''s'                                      │
│ exec              │ /usr/bin/node --inspect '/srv/my app/server.js' --port 8 │
│                   │ 0 'it'\''s'                                              │
│ interpreter       │ node                                                     │
│ interpreter args  │ --inspect                                                │
│ exec cwd          │ /srv/my app                                              │
│ error log path    │ /root/.pmx/logs/web-error.log                            │
│ out log path      │ /root/.pmx/logs/web-out.log                              │
│ pid path          │ /root/.pmx/pids/web-3.pid                                │
│ script id         │ 3                                                        │
│ exec mode         │ fork_mode                                                │
│ node env          │ production                                               │
│ instance          │ NODE_APP_INSTANCE=0 of 1                                 │
│ autorestart       │ yes                                                      │
│ max restarts      │ 16 unstable ones (uptime below 1000 ms)                  │
│ kill timeout      │ 1600 ms                                                  │
│ watch & reload    │ no                                                       │
│ created at        │ 2027-01-15T07:58:30.000Z                                 │
│ user              │ root                                                     │
└───────────────────┴──────────────────────────────────────────────────────────┘
)");
}

TEST_CASE("a shell command is said to be one") {
  InstanceStatus one = detailed();
  one.detail->spec.shell = true;
  one.detail->spec.script = "sleep 1; echo done";
  one.detail->spec.args.clear();
  one.detail->spec.interpreter_args.clear();
  one.detail->spec.interpreter = "bash";
  one.detail->spec.interpreter_path = "/bin/bash";
  const std::string text = describe(one, {std::nullopt, false, golden::kNow});
  CHECK(text.find("shell command") != std::string::npos);
  CHECK(text.find("/bin/bash -c 'sleep 1; echo done'") != std::string::npos);
}

TEST_CASE("no width is exceeded") {
  for (std::size_t width = 8; width < 200; ++width) {
    const std::string text = describe(detailed(), {width, false, golden::kNow});
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      CHECK(display_width(std::string_view(text).substr(begin, end - begin)) <= width);
      begin = end + 1;
    }
  }
}

TEST_CASE("the command line can be pasted into a shell") {
  AppSpec spec;
  spec.interpreter = "none";
  spec.script = "/bin/echo";
  spec.args = {"", "a b", "$x", "it's", "plain"};
  CHECK(command_line_of(spec) == R"(/bin/echo '' 'a b' '$x' 'it'\''s' plain)");
}

}  // namespace
}  // namespace pmx::cli
