#include "tests/paths/paths.h"

namespace rmq::tests {

std::string source_directory() { return RMQ_SOURCE_DIR; }
std::string binary_directory() { return RMQ_BINARY_DIR; }

}  // namespace rmq::tests
