// rmq-reindex: makes what can be derived from the log anew.
#include <string>
#include <vector>

#include "tools/cli/reindex_command.h"

int main(int argc, char** argv) {
  return rmq::cli::run_reindex_command(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
