#include "cli/completion/answer.h"

#include <chrono>
#include <exception>

#include "cli/completion/bash_line.h"
#include "cli/completion/complete.h"

namespace pmx::cli {
namespace {

// A daemon that hangs must not hold up who types.
constexpr std::chrono::milliseconds kDaemonAnswersWithin{300};

std::vector<RunningApp> ask_daemon(Context& context) {
  std::vector<RunningApp> apps;
  try {
    Client* daemon = context.running_daemon();
    if (daemon == nullptr) return apps;
    daemon->limit_waiting(kDaemonAnswersWithin);
    for (const InstanceStatus& one : daemon->call<protocol::List>({}).instances)
      apps.push_back({one.pm_id, one.name, one.name_space});
  } catch (const std::exception&) {
    apps.clear();
  }
  return apps;
}

std::string for_bash(const std::vector<std::string>& asked, const AskForApps& apps) {
  const BashLine line = read_bash_line(asked[1], asked[2]);
  const Completion completion = complete(line.before, line.current, apps);
  std::string answer = to_string(completion.beside) + "\n";
  for (const Candidate& candidate : completion.candidates)
    if (candidate.word.starts_with(line.current)) answer += bash_reply(line, candidate.word) + "\n";
  return answer;
}

std::string for_words(const std::vector<std::string>& asked, const AskForApps& apps) {
  const std::vector<std::string> before(asked.begin() + 1, asked.end() - 1);
  const Completion completion = complete(before, asked.back(), apps);
  std::string answer = to_string(completion.beside) + "\n";
  for (const Candidate& candidate : completion.candidates)
    answer += candidate.word + "\t" + candidate.description + "\n";
  return answer;
}

}  // namespace

std::string answer_completion(Context& context, const std::vector<std::string>& asked) {
  const AskForApps apps = [&] { return ask_daemon(context); };
  if (asked.size() == 3 && asked.front() == "bash") return for_bash(asked, apps);
  if (asked.size() >= 2 && asked.front() == "words") return for_words(asked, apps);
  return {};
}

}  // namespace pmx::cli
