// Any bytes as a configuration: every reader either reads them or throws an Error. The first byte
// picks the reader. Looks at no file and starts no node.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/config/toml_reader.h"
#include "cli/config/yaml_reader.h"
#include "common/base/error.h"
#include "common/config/config_document.h"
#include "common/config/dotenv.h"
#include "common/config/ecosystem.h"
#include "common/config/expansion.h"
#include "common/config/json_reader.h"

namespace {

using namespace pmx;

const Env& environment() {
  static const Env kEnvironment{{"HOME", "/home/u"}, {"A", "1"}, {"EMPTY", ""}};
  return kEnvironment;
}

void examine(const ConfigDocument& document) {
  const EcosystemReport report = examine_ecosystem(document, {"/srv", environment(), "production"});
  for (const ConfigFinding& finding : report.findings) (void)to_text(finding, document.file);
}

std::optional<std::string> value_of(const std::string& name) {
  const auto found = environment().find(name);
  if (found == environment().end()) return std::nullopt;
  return found->second;
}

// What is written so that it stays as it is, stays as it is.
void expand_both(std::string_view text) {
  (void)expand(text, value_of);
  const Expansion same = expand(without_expansion(text), value_of);
  if (!same.problem.empty() || same.text != text) __builtin_trap();
}

void read(char reader, std::string_view text) {
  switch (reader) {
    case 'j':
      return examine(read_json(text, "f.json"));
    case 'y':
      return examine(cli::read_yaml(text, "f.yaml"));
    case 't':
      return examine(cli::read_toml(text, "f.toml"));
    case 'e':
      (void)read_dotenv(text, ".env", environment());
      return;
    case 'x':
      return expand_both(text);
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(data, data + size);
  try {
    read(text[0], std::string_view(text).substr(1));
  } catch (const Error&) {
    // refused, as it should be
  }
  return 0;
}
