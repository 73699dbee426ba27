#include "cli/completion/rc_block.h"

#include "common/base/error.h"

namespace pmx::cli {
namespace {

constexpr std::string_view kBegin = "# >>> pmx completion >>>\n";
constexpr std::string_view kEnd = "# <<< pmx completion <<<\n";

struct Block {
  std::size_t begin = std::string_view::npos;
  std::size_t end = std::string_view::npos;  // behind its last line
};

// At the beginning of a line.
std::size_t find_line(std::string_view text, std::string_view line, std::size_t from) {
  for (std::size_t at = text.find(line, from); at != std::string_view::npos;
       at = text.find(line, at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return at;
  }
  return std::string_view::npos;
}

Block find_block(std::string_view text) {
  Block block;
  block.begin = find_line(text, kBegin, 0);
  const std::size_t end = find_line(text, kEnd, 0);
  const bool has_begin = block.begin != std::string_view::npos;
  const bool has_end = end != std::string_view::npos;
  if (!has_begin && !has_end) return block;
  if (has_begin != has_end || end < block.begin ||
      find_line(text, kBegin, block.begin + 1) != std::string_view::npos) {
    throw Error(ErrorCode::invalid_spec, "the block of pmx in it is damaged",
                "remove its lines by hand: from \">>> pmx completion >>>\" to the end mark");
  }
  block.end = end + kEnd.size();
  return block;
}

}  // namespace

std::string with_block(std::string_view text, std::string_view lines) {
  const Block block = find_block(text);
  const std::string ours = std::string(kBegin) + std::string(lines) + std::string(kEnd);
  if (block.begin != std::string_view::npos) {
    return std::string(text.substr(0, block.begin)) + ours + std::string(text.substr(block.end));
  }
  const bool ends_within_line = !text.empty() && text.back() != '\n';
  return std::string(text) + (ends_within_line ? "\n" : "") + ours;
}

std::string without_block(std::string_view text) {
  const Block block = find_block(text);
  if (block.begin == std::string_view::npos) return std::string(text);
  return std::string(text.substr(0, block.begin)) + std::string(text.substr(block.end));
}

}  // namespace pmx::cli
