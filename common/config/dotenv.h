// Files of variables ("dotenv"), for `env_file`.
//
// A line is empty, a comment that begins with #, or
//
//   [export] NAME = VALUE [# comment]
//
// NAME: letters, digits, "_", "." and "-", no digit first. Blanks around NAME and VALUE do not count.
// VALUE is one of
//
//   'text'   byte for byte up to the next ', over several lines if need be
//   "text"   the same up to the next ", with \n \r \t \\ \" \$ and variables; another backslash
//            stands for itself, one at the end of a line joins it to the next
//   text     up to the end of the line or a # behind a blank; with variables
//   nothing  an empty text
//
// Variables are those of expansion.h: earlier lines count, then `outer`. Behind a quoted value only a
// comment may follow. A later line of the same name wins. Lines end with \n or \r\n; a byte order
// mark in front is skipped; other text than UTF-8 is kept as it is; NUL bytes are refused.
#pragma once

#include <string>
#include <string_view>

#include "common/model/app_spec.h"

namespace pmx {

// `file`: its name in messages. Throws Error(invalid_spec) "FILE:LINE: ..." without any value in it.
Env read_dotenv(std::string_view text, const std::string& file, const Env& outer);

}  // namespace pmx
