// Where tests find the source tree, and where they may write. In one source file, so that no other test's object
// depends on the folder of the clone (ccache then serves every clone).
#pragma once

#include <string>

namespace rmq::tests {

[[nodiscard]] std::string source_directory();
[[nodiscard]] std::string binary_directory();

}  // namespace rmq::tests
