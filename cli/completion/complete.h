// What may come next on a command line: the one answer for bash, zsh and fish.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace pmx::cli {

struct Candidate {
  std::string word;
  std::string description;  // may be empty
};

struct Completion {
  // What the shell adds by its own means.
  enum class Beside { nothing, files, directories, users, groups };

  std::vector<Candidate> candidates;  // not limited to what `current` begins
  Beside beside = Beside::nothing;
};

struct RunningApp {
  int id = 0;
  std::string name, name_space;
};
// Asked at most once, and only where apps are of use.
using AskForApps = std::function<std::vector<RunningApp>()>;

// `before`: the words behind "pmx" that are complete; `current`: the beginning of the one that is
// not, without quotes.
Completion complete(const std::vector<std::string>& before, const std::string& current,
                    const AskForApps& apps);

// "nothing", "files", ...: for the scripts in completions/.
std::string to_string(Completion::Beside beside);

}  // namespace pmx::cli
