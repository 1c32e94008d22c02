# The macros of Slicer that the extension calls, in their thinnest form.
include(CTest)

# Installs the listed files under their relative names; a listed file that isn't there is an error.
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "Unknown keywords given to slicerMacroBuildScriptedModule(): ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT DEFINED MODULE_NAME)
    message(FATAL_ERROR "NAME is mandatory")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "slicerMacroBuildScriptedModule() given nonexistent file '${file}'")
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    install(FILES ${file} DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder})
  endforeach()
endfunction()

# The paths of the modules in the source tree, for a Slicer that isn't the extension's own build.
set(_module_paths
  --additional-module-paths
  ${CMAKE_SOURCE_DIR}/ClaimSlicer
  ${CMAKE_SOURCE_DIR}/SMILEModule
  ${CMAKE_SOURCE_DIR}/SynthesisModule
  ${CMAKE_SOURCE_DIR}/SegmentationModule
  )

# Runs a script in Slicer; without a Slicer the test is there, and disabled.
function(_slicer_test name)
  if(Slicer_LAUNCHER_EXECUTABLE)
    add_test(NAME ${name} COMMAND ${Slicer_LAUNCHER_EXECUTABLE} --no-splash --testing ${ARGN})
  else()
    add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E false)
    set_tests_properties(${name} PROPERTIES DISABLED TRUE)
  endif()
  set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
endfunction()

function(slicer_add_python_test)
  cmake_parse_arguments(TEST "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS;SCRIPT_ARGS" ${ARGN})
  get_filename_component(name ${TEST_SCRIPT} NAME_WE)
  _slicer_test(py_${TEST_TESTNAME_PREFIX}${name} ${TEST_SLICER_ARGS} ${_module_paths}
    --python-script ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT} ${TEST_SCRIPT_ARGS})
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "TESTNAME_PREFIX;SCRIPT" "SLICER_ARGS" ${ARGN})
  get_filename_component(name ${TEST_SCRIPT} NAME_WE)
  _slicer_test(py_${TEST_TESTNAME_PREFIX}${name} ${TEST_SLICER_ARGS} ${_module_paths}
    --python-code "__import__('slicer.testing').testing.runUnitTest(['${CMAKE_CURRENT_SOURCE_DIR}'], '${name}')")
endfunction()
