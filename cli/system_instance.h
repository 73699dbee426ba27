// pmx --system: the machine's own instance, of pmx.service: the user pmx, home /var/lib/pmx.
#pragma once

namespace pmx::cli {

// This process works on that instance from now on: PMX_HOME is its home, and the environment that apps
// get is the same whoever calls. Root becomes the instance's user, so that what is written is that
// user's. Throws Error if this machine has no such instance.
void enter_system_instance();

}  // namespace pmx::cli
