<?php
// Answers with what a receiver in PHP sees.
print_r($_POST);
