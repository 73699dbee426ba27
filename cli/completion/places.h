// What may stand at a place of the command line, read from what help says of it: from a usage line
// ("describe <name|id>", "unit <run|stop>", "stop <target>...") and from what stands for an
// option's value ("FILE", "slots|shared|rr"). So that a completion never knows another truth.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pmx::cli {

enum class PlaceKind {
  literal,  // the word itself
  unknown,  // anything: a number, a new name
  target,   // what stop takes
  app_name,
  app_id,
  name_space,
  command,
  signal,
  file,
  directory,
  user,
  group,
};

struct Alternative {
  PlaceKind kind = PlaceKind::unknown;
  std::string text;  // as in the usage line
};

struct Place {
  std::vector<Alternative> alternatives;
  bool repeated = false;  // "..."
};

// Of "name|id". A word that is no known placeholder is a literal if it has alternatives.
std::vector<Alternative> alternatives_of(std::string_view text);

// Of a usage line: its <...> and [...], without "[-- app arguments]".
std::vector<Place> places_of(std::string_view usage);

}  // namespace pmx::cli
