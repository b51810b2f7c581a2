// rmq-verify: judges a store.
#include <string>
#include <vector>

#include "tools/cli/verify_command.h"

int main(int argc, char** argv) {
  return rmq::cli::run_verify_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
