#include "common/base/text.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace pmx {
namespace {

// Bytes of a sequence by its first byte, and the least code point that may be written with so many.
struct Lead {
  unsigned mask, value, length;
  char32_t least;
};
constexpr std::array kLeads{Lead{0x80, 0x00, 1, 0}, Lead{0xe0, 0xc0, 2, 0x80},
                            Lead{0xf0, 0xe0, 3, 0x800}, Lead{0xf8, 0xf0, 4, 0x10000}};
constexpr char32_t kLast = 0x10ffff;

}  // namespace

bool is_utf8(std::string_view bytes) noexcept {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const Lead* lead = nullptr;
    for (const Lead& candidate : kLeads) {
      if ((first & candidate.mask) == candidate.value) lead = &candidate;
    }
    if (lead == nullptr || at + lead->length > bytes.size()) return false;
    char32_t point = first & ~lead->mask & 0xffU;
    for (std::size_t i = 1; i < lead->length; ++i) {
      const auto next = static_cast<unsigned char>(bytes[at + i]);
      if ((next & 0xc0U) != 0x80U) return false;
      point = (point << 6U) | (next & 0x3fU);
    }
    if (point < lead->least || point > kLast || (point >= 0xd800 && point <= 0xdfff)) return false;
    at += lead->length;
  }
  return true;
}

bool has_control(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

}  // namespace pmx
