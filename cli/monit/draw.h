// The picture of a model.
#pragma once

#include "cli/monit/model.h"
#include "cli/monit/picture.h"

namespace pmx::cli::monit {

// The list scrolls as far as its selection needs.
Picture draw(Model& model, WallMillis now);

}  // namespace pmx::cli::monit
